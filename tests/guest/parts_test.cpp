// The smaller parts: requests through xenstore, ballooning and foreign frames, grants, HVM.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "guest/shutdown_request.h"
#include "tests/guest/test_guest.h"

namespace ferry {
namespace {

// One node with transactions that may have to be done again.
struct FakeStore {
  std::map<std::string, std::string> nodes;
  int conflicts = 0;  // how many commits fail first
  std::function<void()> on_conflict;
  bool open = false, writable = true;
  std::map<std::string, std::string> pending;

  int begin(uint32_t& transaction) {
    EXPECT_FALSE(open);
    open = true;
    pending.clear();
    transaction = 5;
    return 0;
  }
  int read(uint32_t transaction, const char* path, char* to, size_t room) {
    EXPECT_EQ(transaction, 5u);
    if (!nodes.contains(path)) return static_cast<int>(-abi::kEnoent);
    const std::string& value = nodes[path];
    if (value.size() > room) return static_cast<int>(-abi::kEinval);
    std::memcpy(to, value.data(), value.size());
    return static_cast<int>(value.size());
  }
  int write(uint32_t transaction, const char* path, const char* value) {
    if (!writable) return static_cast<int>(-abi::kEperm);
    (transaction == 0 ? nodes : pending)[path] = value;
    return 0;
  }
  int end(uint32_t, bool commit) {
    open = false;
    if (!commit) return 0;
    if (conflicts > 0) {
      --conflicts;
      if (on_conflict) on_conflict();
      return static_cast<int>(-abi::kEagain);
    }
    for (const auto& [path, value] : pending) nodes[path] = value;
    return 0;
  }
  std::string& request() { return nodes[kControlShutdown]; }
};

TEST(ShutdownRequest, what_the_guest_can_do_is_acknowledged_and_nothing_else) {
  const std::map<std::string, shutdown_request> known = {{"suspend", shutdown_request::suspend},
                                                         {"poweroff", shutdown_request::poweroff},
                                                         {"reboot", shutdown_request::reboot}};
  for (const char* value : {"suspend", "poweroff", "reboot", "", "halt", "crash", "suspen",
                            "suspend ", "suspendsuspendsuspend", "SUSPEND"}) {
    FakeStore store;
    store.request() = value;
    const auto it = known.find(value);
    EXPECT_EQ(take_request(store, false), it == known.end() ? shutdown_request::none : it->second);
    EXPECT_EQ(store.request(), it == known.end() ? value : "") << "acknowledged";
    EXPECT_FALSE(store.open);
  }
}

TEST(ShutdownRequest, nothing_there_nothing_asked) {
  FakeStore store;
  EXPECT_EQ(take_request(store, false), shutdown_request::none);
  EXPECT_TRUE(store.nodes.empty());
}

TEST(ShutdownRequest, a_request_during_another_stays_unanswered) {
  FakeStore store;
  store.request() = "suspend";
  EXPECT_EQ(take_request(store, true), shutdown_request::none);
  EXPECT_EQ(store.request(), "suspend");
}

// The toolstack gives up and takes the request back while we answer it: then there is none.
TEST(ShutdownRequest, a_transaction_that_conflicts_is_done_again_from_the_start) {
  FakeStore store;
  store.request() = "suspend";
  store.conflicts = 3;
  EXPECT_EQ(take_request(store, false), shutdown_request::suspend);
  store.request() = "suspend";
  store.conflicts = 1;
  store.on_conflict = [&] { store.request() = ""; };
  EXPECT_EQ(take_request(store, false), shutdown_request::none);
}

TEST(ShutdownRequest, advertising_tolerates_a_store_that_refuses) {
  FakeStore store;
  advertise_requests(store);
  EXPECT_EQ(store.nodes.at("control/feature-suspend"), "1");
  FakeStore refusing;
  refusing.writable = false;
  advertise_requests(refusing);
  EXPECT_TRUE(refusing.nodes.empty());
  refusing.request() = "suspend";
  EXPECT_EQ(take_request(refusing, false), shutdown_request::none) << "cannot be acknowledged";
}

// FakeDomain checks at the hypercall that nothing names the frame any more.
TEST(Balloon, pages_go_and_come_back_and_the_round_trip_holds_for_all_others) {
  EXPECT_TRUE(rc::check([] {
    TestGuest t(*rc::gen::arbitrary<uint32_t>(),
                *rc::gen::elementOf(std::vector<p2m_form>{p2m_form::tree, p2m_form::list}));
    t.booted();
    std::set<uint64_t> out;
    std::vector<pfn_t> mine(40);
    for (pfn_t& pfn : mine) RC_ASSERT(t.kernel.alloc_page(pfn));
    for (int n = *rc::gen::inRange(0, 60); n > 0; --n) {
      const pfn_t pfn = mine[*rc::gen::inRange<size_t>(0, mine.size())];
      t.domain.refuse_populate = *rc::gen::inRange(0, 5) == 0;
      if (out.contains(pfn.raw())) {
        RC_ASSERT(t.g.pages.in(pfn) == !t.domain.refuse_populate);
        if (!t.domain.refuse_populate) {
          out.erase(pfn.raw());
          t.kernel.store(t.kernel.va_of(pfn), 5);
        }
      } else {
        RC_ASSERT(!t.g.pages.in(pfn));
        RC_ASSERT(t.g.pages.out(pfn));
        out.insert(pfn.raw());
      }
    }
    for (uint64_t pfn = 0; pfn < t.kernel.nr_pages(); ++pfn) {
      if (out.contains(pfn)) {
        RC_ASSERT(t.g.core.p2m.get(pfn_t(pfn)) == kInvalidP2mEntry);
      } else {
        RC_ASSERT(t.g.core.p2m.get(pfn_t(pfn)) == t.kernel.mfn(pfn));
        RC_ASSERT(t.g.core.p2m.mfn_to_pfn(mfn_t(t.kernel.mfn(pfn))) == pfn);
      }
    }
  }));
}

TEST(Balloon, a_frame_that_xen_does_not_take_stays_as_it_was) {
  TestGuest t;
  t.booted();
  pfn_t pfn;
  ASSERT_TRUE(t.kernel.alloc_page(pfn));
  // Somebody else has it mapped for writing.
  ASSERT_EQ(t.xen.get_type(t.kernel.mfn(pfn.raw()), FakeXen::writable), 0);
  ++t.xen.other_refs[t.kernel.mfn(pfn.raw())];
  EXPECT_FALSE(t.g.pages.out(pfn));
  EXPECT_EQ(t.g.core.p2m.get(pfn), t.kernel.mfn(pfn.raw()));
  t.kernel.store(t.kernel.va_of(pfn), 5);
}

TEST(Foreign, only_a_ballooned_pfn_can_stand_for_a_foreign_frame) {
  TestGuest t;
  t.booted();
  pfn_t pfn;
  ASSERT_TRUE(t.kernel.alloc_page(pfn));
  EXPECT_FALSE(t.g.pages.set_foreign(pfn, mfn_t(9)));
  EXPECT_FALSE(t.g.pages.clear_foreign(pfn));
  ASSERT_TRUE(t.g.pages.out(pfn));
  EXPECT_TRUE(t.g.pages.set_foreign(pfn, mfn_t(9)));
  EXPECT_FALSE(t.g.pages.set_foreign(pfn, mfn_t(10)));
  EXPECT_EQ(t.g.core.p2m.get(pfn), foreign_frame(mfn_t(9)));
  EXPECT_TRUE(t.g.pages.clear_foreign(pfn));
  EXPECT_EQ(t.g.core.p2m.get(pfn), kInvalidP2mEntry);
  EXPECT_TRUE(t.g.pages.in(pfn));
}

TEST(GrantFrames, more_than_xen_has_are_refused) {
  TestGuest t;
  t.info.grant_frames = 0;
  t.booted();
  EXPECT_FALSE(t.g.grants.setup(kGrantVa, 5));
  EXPECT_FALSE(t.g.grants.setup(kGrantVa, 65));
  EXPECT_TRUE(t.g.grants.setup(kGrantVa, 4));
  EXPECT_EQ(t.kernel.load(kGrantVa + 3 * 4096), 0x67617274u);
  t.g.grants.suspend();
  EXPECT_THROW(t.kernel.load(kGrantVa), GuestFault);
}

TEST(GrantFrames, a_smaller_table_after_a_resume_is_fatal) {
  TestGuest t;
  t.booted();
  t.g.grants.suspend();
  t.domain.max_grant_frames = 2;
  EXPECT_THROW(t.g.grants.resume(), GuestCrash);
}

TEST(Hvm, dying_address_spaces_are_announced_where_xen_wants_to_know) {
  TestGuest t;
  t.g.hvm.init();
  EXPECT_TRUE(t.g.hvm.wants_dying());
  t.g.hvm.exit_mmap(pfn_t(7));
  EXPECT_EQ(t.domain.dying, (std::vector<uint64_t>{0, 7 << 12}));
  t.domain.hvm_shadow = false;
  t.g.hvm.exit_mmap(pfn_t(8));
  t.g.hvm.exit_mmap(pfn_t(8));
  EXPECT_EQ(t.kernel.warnings, 1u) << "said once";
  t.g.hvm.init();
  EXPECT_FALSE(t.g.hvm.wants_dying());
}

TEST(Hvm, only_ram_is_ram) {
  TestGuest t;
  EXPECT_EQ(t.g.hvm.pfn_is_ram(5), 1);
  EXPECT_EQ(t.g.hvm.pfn_is_ram(600), 0);
  EXPECT_EQ(t.g.hvm.pfn_is_ram(1000), -6);
}

}  // namespace
}  // namespace ferry
