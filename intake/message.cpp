// Messages from the reader of an image to the engine: how long they can be.
#include "intake/message.h"

namespace ferry::message {

size_t most_bytes(uint32_t type) {
  switch (static_cast<Type>(type)) {
    case Type::held:
      return sizeof(Held);
    case Type::head:
      return sizeof(Head);
    case Type::cpu_policy:
      return sizeof(Policy) + 2 * kMostPolicyBytes;
    case Type::populated:
      return kMostPopulatedRuns * sizeof(Populated);
    case Type::pages:
      return kMostPfnsAtOnce * sizeof(Pages);
    case Type::tsc:
      return sizeof(Tsc);
    case Type::shared_info:
      return kPageSize;
    case Type::vcpu:
      return sizeof(Vcpu) + kMostVcpuBytes;
    case Type::failed:
      return sizeof(Failed) + kMostSentenceBytes;
    case Type::end:
      break;
  }
  return 0;
}

}  // namespace ferry::message
