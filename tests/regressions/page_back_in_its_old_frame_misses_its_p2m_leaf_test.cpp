// A page that a live save had told to be absent came back with the frame it had before. Its p2m
// leaf looked as when it was sent, so it was not sent again; but the restore had given the page
// another frame by then, and the restored guest's p2m named one that was not its own.
#include <gtest/gtest.h>

#include "pipeline/seeded_executor.h"
#include "sim/builder/compare.h"
#include "tests/engine/sim_engine.h"
#include "tests/engine/toolstack.h"

namespace ferry::sim {
namespace {

class PageBackInItsOldFrame : public ::testing::Test {
 protected:
  // Of the third batch, so that its leaf has been sent before anybody looks at it.
  uint64_t page_of_third_batch() const {
    for (uint64_t pfn = 1024; pfn < 1536; ++pfn)
      if (guest_.roles[pfn] == Role::data && guest_.leaves[pfn / 512] < 512) return pfn;
    return 0;
  }
  uint64_t& entry_of(uint64_t pfn) {
    const uint64_t leaf = guest_.p2m[guest_.leaves[pfn / 512]];
    return reinterpret_cast<uint64_t*>(host_->page(mfn_t(leaf)))[pfn % 512];
  }

  std::unique_ptr<Host> host_ = Host::create({.seed = 5, .frames = 8192});
  std::unique_ptr<Host> target_ = Host::create({.seed = 6, .frames = 8192});
  const ScratchGuest guest_ =
      build_running_guest(*host_, {.seed = 8, .pages = 1536, .ballooned_percent = 0}, "web1");
};

TEST_F(PageBackInItsOldFrame, the_leaf_is_sent_again) {
  const uint64_t pfn = page_of_third_batch();
  ASSERT_NE(pfn, 0u) << "another seed is needed";
  const uint64_t frame = entry_of(pfn);
  ASSERT_EQ(frame, guest_.p2m[pfn]);

  unsigned batches = 0;
  host_->set_before_call([&](const Call& call) {
    if (call.kind != CallKind::domctl_page_types) return;
    ++batches;
    if (batches == 2) entry_of(pfn) = ~uint64_t{0};
    if (batches == 3) entry_of(pfn) = frame;
  });
  SaveOptions options;
  options.live.emplace();
  options.live->track = Track::content;
  options.live->policy.max_rounds = 1;
  const GuestHooks hooks = scratch_guests(*host_);
  const Saved saved = engine_save(*host_, guest_.domid, *make_seeded_executor(1, 1), options, [&] {
    hooks.asked_to_suspend(static_cast<domid_t>(guest_.domid));
  });
  ASSERT_TRUE(saved.done()) << saved.sentence;
  host_->set_before_call({});
  ASSERT_GT(batches, 3u);

  const GuestView at_suspension = view_guest(*host_, guest_.domid);
  const Restored restored =
      engine_restore(*target_, saved.image, create_target(*target_, guest_.spec.pages, 1),
                     *make_seeded_executor(1, 1));
  ASSERT_TRUE(restored.done()) << restored.sentence;
  const auto differences = compare_restored(guest_, at_suspension, *target_,
                                            static_cast<DomainNumber>(restored.domid), kFerryRules);
  EXPECT_TRUE(differences.empty()) << differences.front();
}

}  // namespace
}  // namespace ferry::sim
