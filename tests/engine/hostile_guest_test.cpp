// Guests that a save must not be hurt by, and whose saves must not hurt them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "host/engine_here.h"
#include "p2m/published.h"
#include "pipeline/inline_executor.h"
#include "save/guest_view.h"
#include "sim/seam/binding.h"
#include "tests/engine/toolstack.h"
#include "xen/domain.h"

namespace ferry::sim {
namespace {

using testing::HasSubstr;

// A guest of 2 MiB, with its p2m as a tree.
class SmallGuest {
 public:
  SmallGuest() {
    spec_.pages = 500;
    spec_.p2m = P2mForm::tree;
    spec_.ballooned_percent = 0;
    guest_ = build_running_guest(*host_, spec_, "web1");
  }

  uint64_t mfn(uint64_t pfn) const { return guest_.p2m[pfn]; }
  uint64_t* words(uint64_t mfn) { return reinterpret_cast<uint64_t*>(host_->page(mfn_t(mfn))); }
  // Pages of its own that nothing else uses.
  uint64_t spare(size_t which) const {
    for (uint64_t pfn = 0; pfn < guest_.roles.size(); ++pfn)
      if (guest_.roles[pfn] == Role::data && guest_.p2m[pfn] != ~uint64_t{0} && which-- == 0)
        return mfn(pfn);
    throw std::logic_error("no page to spare");
  }
  std::byte* shared_info() {
    return reinterpret_cast<std::byte*>(
        host_->page(mfn_t(host_->find_domain(guest_.domid)->shared_info_mfn)));
  }
  // Publishes max_pfn pfns in a tree of which every list has its leaves in turns: two lists, two
  // leaves, and the pages that were there.
  void lie(uint64_t max_pfn) {
    uint64_t top = 0;
    std::memcpy(&top, shared_info() + kSharedInfoFrameListList, sizeof top);
    const uint64_t leaf = words(words(top)[0])[0];
    const uint64_t lists[2] = {words(top)[0], spare(0)}, leaves[2] = {leaf, spare(1)};
    for (const uint64_t list : lists)
      for (unsigned i = 0; i < 512; ++i) words(list)[i] = leaves[i % 2];
    for (unsigned i = 0; i < 512; ++i) words(top)[i] = lists[i % 2];
    std::memcpy(shared_info() + kSharedInfoMaxPfn, &max_pfn, sizeof max_pfn);
  }

  GuestSpec spec_;
  std::unique_ptr<Host> host_ = Host::create({.seed = 5, .frames = 16384});
  BindThread bind_{*host_};
  ScratchGuest guest_;
};

TEST(HostileGuest, that_describes_more_than_it_can_have_is_not_saved) {
  for (const uint64_t max_pfn : {uint64_t{1} << 23, uint64_t{1} << 27}) {
    SmallGuest guest;
    guest.lie(max_pfn);
    Hypervisor xen;
    try {
      const ferry::GuestView view(xen, get_domain(xen, domid_t{guest.guest_.domid}));
      ADD_FAILURE() << view.nr_pfns() << " pfns, of a guest with 500 pages";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Errc::guest);
      EXPECT_THAT(error.what(), HasSubstr("more pages than such a guest can have"));
    }
    EXPECT_EQ(seam_usage().mapped_pages, 0u);
  }
}

// Not more than its memory allows, but all of it in a few pages.
TEST(HostileGuest, that_names_a_few_pages_again_and_again_is_not_saved) {
  SmallGuest guest;
  guest.lie((uint64_t{1} << 22) + 3 * 512 * 512);
  // As if it had been a large guest once.
  guest.host_->find_domain(guest.guest_.domid)->max_pages = 1u << 20;
  Hypervisor xen;
  try {
    const ferry::GuestView view(xen, get_domain(xen, domid_t{guest.guest_.domid}));
    ADD_FAILURE() << view.nr_pfns() << " pfns in two pages";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("only 2 pages of its own"));
  }
}

// What is not there at the end of a map costs nothing: a guest that may grow says so in max_pfn.
TEST(HostileGuest, that_may_grow_without_end_is_saved) {
  GuestSpec spec;
  spec.pages = 600;
  spec.tail = 8u << 20;  // 32 GiB
  auto host = Host::create({.seed = 6, .frames = 40'000});
  const ScratchGuest guest = build_guest(*host, spec);
  InlineExecutor executor;
  const Saved saved = engine_save(*host, guest.domid, executor);
  EXPECT_TRUE(saved.done()) << saved.sentence;
}

// As a configuration of xl in Latin-1 comes out of libxl.
class Latin1 final : public SimLifecycle {
 public:
  using SimLifecycle::SimLifecycle;
  std::string config_json(domid_t domid) override {
    std::string config = SimLifecycle::config_json(domid);
    return config.substr(0, config.size() - 1) + R"(,"disks":[{"pdev_path":"/srv/caf)"
                                                 "\xe9"
                                                 R"("}]})";
  }
};

TEST(HostileGuest, whose_configuration_no_restore_takes_is_not_suspended) {
  const Workplace place;
  SmallGuest guest;
  Hypervisor xen;
  bool suspended = false;
  GuestHooks hooks = scratch_guests(*guest.host_);
  const auto suspend = hooks.asked_to_suspend;
  hooks.asked_to_suspend = [&](domid_t domid) {
    suspended = true;
    suspend(domid);
  };
  Latin1 life(*guest.host_, xen, hooks);
  InlineExecutor executor;
  try {
    SaveRequest request;
    request.domain = "web1";
    request.file = place.image();
    save_guest(xen, life, host::engine_here(xen, executor), request,
               [](const std::string&, uint64_t, uint64_t) {});
    ADD_FAILURE() << "saved, and gone here";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::unsupported);
    EXPECT_THAT(error.what(), HasSubstr("not UTF-8"));
  }
  EXPECT_FALSE(suspended);
  EXPECT_FALSE(place.has_image());
  EXPECT_TRUE(runs(*guest.host_, guest.guest_.domid));
}

}  // namespace
}  // namespace ferry::sim
