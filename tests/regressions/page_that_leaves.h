// A guest whose live save is watched batch by batch, and one of its pages, for which something
// happens in the midst of it.
#pragma once

#include <gtest/gtest.h>

#include <functional>

#include "pipeline/seeded_executor.h"
#include "sim/builder/compare.h"
#include "sim/machine/guest_access.h"
#include "tests/engine/sim_engine.h"
#include "tests/engine/toolstack.h"

namespace ferry::sim {

class PageThatLeaves : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_NE(pfn_, 0u) << "another seed is needed"; }

  mfn_t frame() const { return mfn_t(guest_.p2m[pfn_]); }
  // As the guest writes its p2m: a log shows it.
  void write_p2m_entry(uint64_t entry) {
    const uint64_t at =
        ScratchGuest::kKernelMap + (guest_.leaves[pfn_ / 512] << kPageShift) + pfn_ % 512 * 8;
    ASSERT_TRUE(guest_write(*host_, *host_->find_domain(guest_.domid), 0, at, &entry, 8).ok);
  }

  // Calls at_batch with the number of each batch, before its types are asked for. The first round
  // has three. at_call: before every call; image: what was saved. The guest arrives as it was when
  // it was suspended.
  void save_and_restore(Track track, const std::function<void(unsigned)>& at_batch,
                        const std::function<void(const Call&)>& at_call = {},
                        Bytes* image = nullptr) {
    unsigned batches = 0;
    host_->set_before_call([&](const Call& call) {
      if (at_call) at_call(call);
      if (call.kind == CallKind::domctl_page_types) at_batch(++batches);
    });
    SaveOptions options;
    options.live.emplace();
    options.live->track = track;
    options.live->policy.max_rounds = 1;
    const GuestHooks hooks = scratch_guests(*host_);
    const Saved saved =
        engine_save(*host_, guest_.domid, *make_seeded_executor(1, 1), options,
                    [&] { hooks.asked_to_suspend(static_cast<domid_t>(guest_.domid)); });
    host_->set_before_call({});
    ASSERT_TRUE(saved.done()) << saved.sentence;
    ASSERT_GT(batches, 3u);
    if (image) *image = saved.image;

    const GuestView at_suspension = view_guest(*host_, guest_.domid);
    const Restored restored =
        engine_restore(*target_, saved.image, create_target(*target_, guest_.spec.pages, 1),
                       *make_seeded_executor(1, 1));
    ASSERT_TRUE(restored.done()) << restored.sentence;
    const auto differences = compare_restored(
        guest_, at_suspension, *target_, static_cast<DomainNumber>(restored.domid), kFerryRules);
    EXPECT_TRUE(differences.empty()) << differences.front();
  }

  std::unique_ptr<Host> host_ = Host::create({.seed = 5, .frames = 8192});

 private:
  // Of the third batch, so that its leaf and its page tables have been sent before anybody looks at
  // it.
  uint64_t page_of_third_batch() const {
    for (uint64_t pfn = 1024; pfn < 1536; ++pfn)
      if (guest_.roles[pfn] == Role::data && guest_.leaves[pfn / 512] < 512) return pfn;
    return 0;
  }

  std::unique_ptr<Host> target_ = Host::create({.seed = 6, .frames = 8192});
  const ScratchGuest guest_ =
      build_running_guest(*host_, {.seed = 8, .pages = 1536, .ballooned_percent = 0}, "web1");
  const uint64_t pfn_ = page_of_third_batch();
};

}  // namespace ferry::sim
