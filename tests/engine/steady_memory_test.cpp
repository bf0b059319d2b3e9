// A save that goes on takes no more memory for pages and records than its first batches did.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>
#include <optional>
#include <vector>

#include "pipeline/pipeline.h"
#include "sim/builder/guest_builder.h"
#include "tests/engine/sim_engine.h"

namespace {

std::atomic<size_t> allocated{0};  // bytes, by anybody in this program

// Neither is inlined: the compiler would take them for a pair that does not match.
[[gnu::noinline]] void* counted(size_t bytes, size_t alignment) {
  allocated += bytes;
  void* const memory =
      std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

[[gnu::noinline]] void give_back(void* memory) {
  std::free(memory);
}

}  // namespace

void* operator new(size_t bytes) {
  return counted(bytes, alignof(std::max_align_t));
}
void* operator new(size_t bytes, std::align_val_t alignment) {
  return counted(bytes, static_cast<size_t>(alignment));
}
void operator delete(void* memory) noexcept {
  give_back(memory);
}
void operator delete(void* memory, size_t) noexcept {
  give_back(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept {
  give_back(memory);
}
void operator delete(void* memory, size_t, std::align_val_t) noexcept {
  give_back(memory);
}

namespace ferry::sim {
namespace {

// One job at a time, and what was allocated for each of them.
class Counting final : public Executor {
 public:
  using Executor::run;
  void run(const std::function<std::unique_ptr<Job>()>& produce) override {
    for (;;) {
      const size_t before = allocated;
      std::unique_ptr<Job> job = produce();
      if (!job) return;
      job->work();
      job->consume();
      job.reset();
      bytes.push_back(allocated - before);
    }
  }
  unsigned width() const override { return 1; }

  std::vector<size_t> bytes;
};

TEST(SteadyMemory, ABatchTakesNoMemoryForPagesAndRecordsAfterTheFirstOnes) {
  GuestSpec spec;
  spec.pages = 16384;
  auto host = Host::create({.frames = spec.pages + 2048, .frame_order = FrameOrder::contiguous});
  const ScratchGuest guest = build_guest(*host, spec);
  for (const std::optional<int> level :
       {std::optional(0), std::optional(1), std::optional<int>()}) {
    SaveOptions options;
    options.level = level;
    options.clock_ns = [now = uint64_t{0}]() mutable { return now += 1'000'000; };
    Counting executor;
    // Its bytes are the test's own: they go nowhere.
    struct Nowhere final : ByteSink {
      void write(std::span<const std::byte> bytes) override { total += bytes.size(); }
      size_t total = 0;
    } sink;
    const Saved saved = engine_save_to(*host, guest.domid, sink, executor, options);
    ASSERT_TRUE(saved.done()) << saved.sentence;
    ASSERT_GT(sink.total, 1u << 20);
    ASSERT_GT(executor.bytes.size(), 20u);
    EXPECT_GT(executor.bytes.front(), kPageSize * 100) << "nothing was counted";
    // What is left are lists of frames, and the simulated machine's own.
    constexpr size_t kLittle = 32 * kPageSize;
    const auto large = std::ranges::count_if(executor.bytes, [](size_t n) { return n > kLittle; });
    EXPECT_LE(large, 4) << "of " << executor.bytes.size() << " batches at level "
                        << level.value_or(-1);
  }
}

}  // namespace
}  // namespace ferry::sim
