// A live save looked at the p2m twice: to count the populated pages for the head, and to list them.
// A guest that ballooned in between got an image that ferry's own audit called bad.
#include "audit/audit.h"
#include "tests/audit/audit_image.h"
#include "tests/regressions/page_that_leaves.h"

namespace ferry::sim {
namespace {

class CountedAndListed : public PageThatLeaves {};

TEST_F(CountedAndListed, from_one_look_they_are_as_many) {
  const uint64_t entry = frame().raw();
  bool left = false;
  Bytes image;
  save_and_restore(
      Track::content,
      [&](unsigned batch) {
        if (batch == 3) write_p2m_entry(entry);
      },
      // Asked for between both.
      [&](const Call& call) {
        if (call.kind == CallKind::domctl_policy && !left)
          write_p2m_entry(~uint64_t{0}), left = true;
      },
      &image);
  ASSERT_TRUE(left);
  const test::MemoryFile file(image);
  const audit::Result audited =
      audit::run(ImageFile::open(file.path()), {}, *make_seeded_executor(1, 1));
  EXPECT_TRUE(audited.clean());
  for (const auto& finding : audited.findings.kept()) ADD_FAILURE() << finding.sentence;
}

}  // namespace
}  // namespace ferry::sim
