// The reader's end of the way to the engine: records become messages (message.h).
#pragma once

#include "error/error.h"
#include "intake/guest_records.h"
#include "io/byte_stream.h"

namespace ferry {

class RecordPipe final : public GuestRecords {
 public:
  explicit RecordPipe(ByteSink& sink) : sink_(sink) {}

  // First of all: why no seccomp holds this process, an errno, or 0.
  void held(int os_errno);

  void head(const GuestHead& head) override;
  void cpu_policy(std::span<const std::byte> cpuid_leaves,
                  std::span<const std::byte> msrs) override;
  void populated(std::span<const PfnRun> runs) override;
  // The pages are in the ring already, in the place whose turn it is.
  void pages(std::span<const KindRun> runs, std::span<const std::byte>) override;
  void tsc(uint64_t record, const GuestTsc& tsc) override;
  void shared_info(uint64_t record, std::span<const std::byte> page) override;
  void vcpu(uint64_t record, GuestVcpu vcpu) override;

  // Last of all, one of them.
  void end();
  void failed(const Error& error);

 private:
  ByteSink& sink_;
};

}  // namespace ferry
