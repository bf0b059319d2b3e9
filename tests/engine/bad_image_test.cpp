// Images that are cut off, damaged or malicious never yield a domain that can run.
#include <gtest/gtest.h>

#include "pipeline/seeded_executor.h"
#include "sim/builder/guest_view.h"
#include "sim/seam/binding.h"
#include "tests/engine/sim_engine.h"

namespace ferry::sim {
namespace {

// Sanitizers make each restore many times slower: they see every seventh byte.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr size_t kByteStep = 7;
#else
constexpr size_t kByteStep = 1;
#endif

class BadImage : public ::testing::Test {
 protected:
  void SetUp() override {
    spec_.pages = 64;
    spec_.processes = 1;
    spec_.zero_percent = 95;
    auto source = Host::create({.seed = 5, .frames = 4096});
    const ScratchGuest guest = build_guest(*source, spec_);
    SaveOptions options;
    options.timeline = false;
    const Saved saved = engine_save(*source, guest.domid, *executor_, options);
    ASSERT_TRUE(saved.done()) << saved.sentence;
    image_ = saved.image;
    ASSERT_LE(image_.size(), 32u << 10);
    host_ = Host::create({.seed = 6, .frames = 4096});
  }

  void expect_refused(const Bytes& image, const std::string& what) {
    const Restored restored =
        engine_restore(*host_, image, create_target(*host_, spec_.pages, 1), *executor_);
    EXPECT_FALSE(restored.done()) << what;
    EXPECT_EQ(restored.error, Errc::bad_image) << what << ": " << restored.sentence;
    EXPECT_FALSE(can_run(*host_, restored.domid)) << what;
    EXPECT_EQ(seam_usage(), SeamUsage{}) << what;
    destroy_domain(*host_, restored.domid);
  }

  GuestSpec spec_;
  std::unique_ptr<Executor> executor_ = make_seeded_executor(1, 2);
  Bytes image_;
  std::unique_ptr<Host> host_;
};

TEST_F(BadImage, the_whole_one_is_taken) {
  const Restored restored =
      engine_restore(*host_, image_, create_target(*host_, spec_.pages, 1), *executor_);
  EXPECT_TRUE(restored.done()) << restored.sentence;
  EXPECT_TRUE(can_run(*host_, restored.domid));
}

TEST_F(BadImage, every_truncation_is_refused) {
  for (size_t length = 0; length < image_.size() && !HasFailure(); length += kByteStep)
    expect_refused(Bytes(image_.begin(), image_.begin() + static_cast<ptrdiff_t>(length)),
                   fmt::format("cut to {} bytes", length));
}

TEST_F(BadImage, every_flipped_bit_is_refused) {
  uint64_t flips = 0;
  for (size_t at = 0; at < image_.size() && !HasFailure(); at += kByteStep) {
    for (unsigned bit = 0; bit < 8; ++bit, ++flips) {
      Bytes bad = image_;
      bad[at] ^= std::byte{1} << bit;
      expect_refused(bad, fmt::format("bit {} of byte {}", bit, at));
    }
  }
  fmt::print("{} flips of an image of {} bytes were refused\n", flips, image_.size());
}

}  // namespace
}  // namespace ferry::sim
