// A page that a live save had told to be absent came back with the frame it had before. Its p2m
// leaf looked as when it was sent, so it was not sent again; but the restore had given the page
// another frame by then, and the restored guest's p2m named one that was not its own.
#include "tests/regressions/page_that_leaves.h"

namespace ferry::sim {
namespace {

using PageBackInItsOldFrame = PageThatLeaves;

TEST_F(PageBackInItsOldFrame, the_leaf_is_sent_again) {
  const mfn_t old_frame = frame();
  save_and_restore(Track::content, [&](unsigned batch) {
    if (batch == 2) write_p2m_entry(~uint64_t{0});
    if (batch == 3) write_p2m_entry(old_frame.raw());
  });
}

}  // namespace
}  // namespace ferry::sim
