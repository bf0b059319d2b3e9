// One target as libFuzzer wants it.
#include <cstdint>

#include "tests/fuzz/targets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ferry::fuzz::FERRY_FUZZ_TARGET(std::as_bytes(std::span(data, size)));
  return 0;
}
