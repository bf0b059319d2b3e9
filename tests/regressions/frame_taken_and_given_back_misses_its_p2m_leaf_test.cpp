// The frame of a page was not the guest's for a while, although its p2m named it all the time, so a
// live save said that the page was absent. When the frame was the guest's again, the page was sent,
// but neither the leaf nor the page tables that name it: their frames had not changed. The restore
// had given the page another frame by then.
#include "tests/regressions/page_that_leaves.h"

namespace ferry::sim {
namespace {

class FrameTakenAndGivenBack : public PageThatLeaves,
                               public ::testing::WithParamInterface<Track> {};

TEST_P(FrameTakenAndGivenBack, everything_that_names_it_is_sent_again) {
  DomainNumber& owner = host_->frame(frame()).owner;
  const DomainNumber guest = owner;
  save_and_restore(GetParam(), [&](unsigned batch) {
    if (batch == 3) owner = kNoDomain;
    if (batch == 4) owner = guest;
  });
}

INSTANTIATE_TEST_SUITE_P(Tracks, FrameTakenAndGivenBack,
                         ::testing::Values(Track::content, Track::logdirty));

}  // namespace
}  // namespace ferry::sim
