// The least that an image takes is asked for before anything happens to the guest, and is no more
// than what it takes.
#include <gtest/gtest.h>

#include "pipeline/seeded_executor.h"
#include "sim/seam/binding.h"
#include "tests/engine/sim_engine.h"
#include "tests/engine/subjects.h"

namespace ferry::sim {
namespace {

class SizeGuess : public ::testing::TestWithParam<bool> {
 protected:
  void save(const std::function<void(uint64_t, uint64_t)>& check_room) {
    const BindThread bind(*host_);
    const Hypervisor xen;
    SaveOptions options;
    if (GetParam()) options.live.emplace();
    SaveCallbacks callbacks;
    callbacks.check_room = check_room;
    callbacks.suspend = [this] {
      asked_to_suspend_ = true;
      subject_.hooks().asked_to_suspend(domid_t{static_cast<uint16_t>(subject_.domid())});
    };
    save_domain(xen, domid_t{static_cast<uint16_t>(subject_.domid())}, image_, *executor_, options,
                callbacks);
  }

  static GuestSpec spec() {
    GuestSpec spec;
    spec.pages = 6000;
    return spec;
  }

  std::unique_ptr<Host> host_ = Host::create({.seed = 3, .frames = 9000});
  std::unique_ptr<Executor> executor_ = make_seeded_executor(1, 2);
  ScratchSubject subject_{*host_, spec()};
  MemorySink image_;
  bool asked_to_suspend_ = false;
};

TEST_P(SizeGuess, is_no_more_than_the_image_and_not_far_below) {
  uint64_t least = 0, pages = 0;
  save([&](uint64_t least_bytes, uint64_t guest_pages) {
    least = least_bytes;
    pages = guest_pages;
  });
  EXPECT_TRUE(asked_to_suspend_);
  EXPECT_GE(pages, 5000u);
  EXPECT_LE(least, image_.bytes().size());
  // An eighth of the guest is taken off, and what a sample can be wrong by.
  EXPECT_GE(least + pages * kPageSize / 4, image_.bytes().size());
}

TEST_P(SizeGuess, comes_before_the_guest_is_asked_and_anything_is_written) {
  EXPECT_THROW(save([&](uint64_t, uint64_t) { fail(Errc::io, "no room"); }), Error);
  EXPECT_FALSE(asked_to_suspend_);
  EXPECT_TRUE(image_.bytes().empty());
  EXPECT_EQ(seam_usage(), SeamUsage{}) << "something of the guest is still mapped";
}

INSTANTIATE_TEST_SUITE_P(Saves, SizeGuess, ::testing::Bool(),
                         [](const auto& way) { return way.param ? "live" : "suspended"; });

}  // namespace
}  // namespace ferry::sim
