// A page that a live save had told to be absent came back with the frame it had before, while page
// tables named it. Nobody had written these, so no log told of them and they were not sent again;
// but the restore had given the page another frame by then.
#include "tests/regressions/page_that_leaves.h"

namespace ferry::sim {
namespace {

using UnwrittenTable = PageThatLeaves;

TEST_F(UnwrittenTable, is_sent_again) {
  const mfn_t old_frame = frame();
  save_and_restore(Track::logdirty, [&](unsigned batch) {
    if (batch == 2) write_p2m_entry(~uint64_t{0});
    if (batch == 3) write_p2m_entry(old_frame.raw());
  });
}

}  // namespace
}  // namespace ferry::sim
