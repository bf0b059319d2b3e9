// A guest whose p2m named a frame of Xen's own, such as its shared_info: the page was left out of
// the image, but counted as populated and referred to, so that no restore could ever take the
// image. It is refused now, while the guest is still there.
#include <gtest/gtest.h>

#include "pipeline/seeded_executor.h"
#include "tests/engine/promises.h"

namespace ferry::sim {
namespace {

class FrameOfXenTakenForGuestMemory : public ::testing::TestWithParam<bool> {
 protected:
  // The first pfn without memory whose part of the p2m is not shared by others.
  static uint64_t hole(const ScratchGuest& guest) {
    for (uint64_t pfn = 0;; ++pfn)
      if (guest.roles.at(pfn) == Role::absent &&
          guest.roles[guest.leaves.at(pfn / kP2mPerPage)] == Role::p2m_leaf)
        return pfn;
  }

  void expect_refused(const ScratchGuest& guest, uint64_t frame) {
    SaveRun run;
    run.request.domain = "web1";
    run.request.file = place_.image();
    if (GetParam()) run.engine.live.emplace();
    run.guests = scratch_guests(*host_);
    const Ended ended = run_save(*host_, *make_seeded_executor(1, 2), run);
    EXPECT_EQ(ended.error, Errc::guest);
    EXPECT_NE(ended.sentence.find(fmt::format("{:#x}", frame)), std::string::npos)
        << ended.sentence;
    EXPECT_FALSE(place_.has_image());
    EXPECT_TRUE(runs(*host_, guest.domid));
  }

  Workplace place_;
  std::unique_ptr<Host> host_ = Host::create({.seed = 3, .frames = 4096});
};

TEST_P(FrameOfXenTakenForGuestMemory, is_refused) {
  GuestSpec spec;
  spec.pages = 400;
  spec.ballooned_percent = 10;
  const ScratchGuest guest = build_running_guest(*host_, spec, "web1");
  const uint64_t frame = host_->find_domain(guest.domid)->shared_info_mfn;
  const uint64_t pfn = hole(guest);
  host_->entries(mfn_t(guest.p2m[guest.leaves[pfn / kP2mPerPage]]))[pfn % kP2mPerPage] = frame;
  expect_refused(guest, frame);
  host_->m2p(mfn_t(frame)) = pfn;  // not even if the guest has told the M2P the same
  expect_refused(guest, frame);
}

INSTANTIATE_TEST_SUITE_P(Saves, FrameOfXenTakenForGuestMemory, ::testing::Bool());

}  // namespace
}  // namespace ferry::sim
