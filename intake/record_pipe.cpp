// The reader's end of the way to the engine: records become messages.
#include "intake/record_pipe.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "intake/message.h"

namespace ferry {
namespace {

using message::Type;

// One message, written at once.
class Message {
 public:
  explicit Message(Type type, uint64_t record = 0)
      : prefix_{static_cast<uint32_t>(type), 0, record} {
    put(prefix_);
  }

  template <typename T>
  Message& put(const T& value) {
    return put(std::as_bytes(std::span(&value, 1)));
  }
  Message& put(std::span<const std::byte> bytes) {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    return *this;
  }

  void send(ByteSink& sink) {
    prefix_.bytes = static_cast<uint32_t>(bytes_.size() - sizeof prefix_);
    const auto prefix = std::as_bytes(std::span(&prefix_, 1));
    std::copy(prefix.begin(), prefix.end(), bytes_.begin());
    sink.write(bytes_);
  }

 private:
  message::Prefix prefix_;
  Bytes bytes_;
};

uint32_t size_of(const std::vector<std::byte>& blob) {
  return static_cast<uint32_t>(blob.size());
}

}  // namespace

void RecordPipe::held(int os_errno) {
  Message(Type::held).put(message::Held{os_errno}).send(sink_);
}

void RecordPipe::head(const GuestHead& head) {
  Message(Type::head)
      .put(message::Head{head.nr_pfns, head.populated_pages, head.p2m_root_pfn, head.max_vcpu_id,
                         head.linear_p2m, head.live, 0})
      .send(sink_);
}

void RecordPipe::cpu_policy(std::span<const std::byte> cpuid_leaves,
                            std::span<const std::byte> msrs) {
  check_policy_size(cpuid_leaves, msrs);
  Message(Type::cpu_policy)
      .put(message::Policy{cpuid_leaves.size()})
      .put(cpuid_leaves)
      .put(msrs)
      .send(sink_);
}

// A list without runs is said too: that the image has come so far means something.
void RecordPipe::populated(std::span<const PfnRun> runs) {
  do {
    const auto some = runs.first(std::min(runs.size(), message::kMostPopulatedRuns));
    Message message(Type::populated);
    for (const PfnRun& run : some) message.put(message::Populated{run.first.raw(), run.count});
    message.send(sink_);
    runs = runs.subspan(some.size());
  } while (!runs.empty());
}

void RecordPipe::pages(std::span<const KindRun> runs, std::span<const std::byte>) {
  Message message(Type::pages);
  for (const KindRun& run : runs)
    message.put(message::Pages{run.first.raw(), run.count, static_cast<uint32_t>(run.kind)});
  message.send(sink_);
}

void RecordPipe::tsc(uint64_t record, const GuestTsc& tsc) {
  Message(Type::tsc, record)
      .put(message::Tsc{tsc.nsec, tsc.mode, tsc.khz, tsc.incarnation, 0})
      .send(sink_);
}

void RecordPipe::shared_info(uint64_t record, std::span<const std::byte> page) {
  check_shared_info_size(page);
  Message(Type::shared_info, record).put(page).send(sink_);
}

void RecordPipe::vcpu(uint64_t record, GuestVcpu vcpu) {
  check_vcpu_size(vcpu);
  Message(Type::vcpu, record)
      .put(message::Vcpu{
          vcpu.id,
          {size_of(vcpu.basic), size_of(vcpu.extended), size_of(vcpu.xsave), size_of(vcpu.msrs)}})
      .put(std::span<const std::byte>(vcpu.basic))
      .put(std::span<const std::byte>(vcpu.extended))
      .put(std::span<const std::byte>(vcpu.xsave))
      .put(std::span<const std::byte>(vcpu.msrs))
      .send(sink_);
}

void RecordPipe::end() {
  Message(Type::end).send(sink_);
}

void RecordPipe::failed(const Error& error) {
  const auto sentence = std::string_view(error.what()).substr(0, message::kMostSentenceBytes);
  Message(Type::failed)
      .put(message::Failed{static_cast<uint32_t>(error.code()), error.os_errno()})
      .put(std::as_bytes(std::span(sentence)))
      .send(sink_);
}

}  // namespace ferry
