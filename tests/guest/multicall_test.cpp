// Batching: order, callbacks, lazy modes, overflow of each of the three buffers, failures.
#include "guest/multicall.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "tests/guest/fake_xen.h"

namespace ferry {
namespace {

// A machine that only takes hypercalls, and writes down what happens in which order.
struct Recorder {
  static constexpr unsigned kMaxCpus = 2;
  struct Event {
    std::string what;
    uint64_t a = 0, b = 0;
    bool operator==(const Event&) const = default;
  };
  std::vector<Event> events;
  unsigned cpu = 0;
  uint64_t irq_off[2] = {0, 0};
  int hypercalls = 0, warnings = 0;
  std::function<int64_t(const Event&)> result = [](const Event&) { return 0; };

  int64_t request(Event e) {
    EXPECT_NE(irq_off[cpu], 0u) << "a batch was made with interrupts on";
    events.push_back(e);
    return result(e);
  }
  int64_t one(unsigned nr, const uint64_t* a) {
    if (nr == abi::kUpdateVaMapping) return request({"va", a[0], a[1]});
    if (nr == abi::kMmuUpdate) {
      for (uint64_t i = 0; i < a[1]; ++i) {
        const auto& u = reinterpret_cast<const abi::mmu_update*>(a[0])[i];
        if (const int64_t rc = request({"mmu", u.ptr, u.val}); rc != 0) return rc;
      }
      return 0;
    }
    EXPECT_EQ(nr, abi::kMmuextOp);
    for (uint64_t i = 0; i < a[1]; ++i) {
      const auto& op = reinterpret_cast<const abi::mmuext_op*>(a[0])[i];
      if (const int64_t rc = request({"ext", op.cmd, op.arg1}); rc != 0) return rc;
    }
    return 0;
  }
  int64_t hypercall(unsigned nr, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t) {
    ++hypercalls;
    const uint64_t args[4] = {a1, a2, a3, a4};
    if (nr != abi::kMulticall) return one(nr, args);
    auto* e = reinterpret_cast<abi::multicall_entry*>(a1);
    EXPECT_LE(a2, 32u);
    for (uint64_t i = 0; i < a2; ++i)
      e[i].result = static_cast<uint64_t>(one(static_cast<unsigned>(e[i].op), e[i].args));
    return 0;
  }
  uint64_t load(uint64_t) { return 0; }
  void store(uint64_t, uint64_t) {}
  bool try_load(uint64_t, uint64_t&) { return false; }
  bool try_store(uint64_t, uint64_t) { return false; }
  uint64_t va_of(pfn_t) { return 0; }
  pfn_t pfn_of(uint64_t) { return {}; }
  bool alloc_page(pfn_t&) { return false; }
  void free_page(pfn_t) {}
  void lock_p2m() {}
  void unlock_p2m() {}
  void bug(const char* sentence) { throw GuestCrash(sentence); }
  bool in_direct_map(uint64_t) { return false; }
  void store_byte(uint64_t, uint8_t) {}
  guest_page& page(pfn_t) {
    static guest_page p;
    return p;
  }
  unsigned this_cpu() const { return cpu; }
  bool cpu_online(unsigned) const { return true; }
  uint64_t irq_save() { return std::exchange(irq_off[cpu], 1); }
  void irq_restore(uint64_t was) { irq_off[cpu] = was; }
  bool irqs_masked() { return irq_off[cpu] != 0; }
  void lock_table(pfn_t) {}
  void unlock_table(pfn_t) {}
  void lock_pgds() {}
  void unlock_pgds() {}
  void call_on(unsigned, void (*)(void*), void*) {}
  void warn(const char*) { ++warnings; }
};

using Event = Recorder::Event;

void record_callback(void* context, uint64_t n) {
  static_cast<Recorder*>(context)->events.push_back({"callback", n, 0});
}

// Whatever is queued, in whatever batches and lazy modes: all of it happens once and in order, and
// a callback after everything that was queued before it.
TEST(Multicall, all_happens_once_and_in_order_and_callbacks_only_after_what_they_follow) {
  EXPECT_TRUE(rc::check([] {
    Recorder machine;
    multicalls<Recorder> calls(machine);
    std::vector<Event> requests, callbacks;
    std::vector<size_t> before;  // requests queued before each callback
    uint64_t n = 0;
    for (int batches = *rc::gen::inRange(0, 12); batches > 0; --batches) {
      if (*rc::gen::inRange(0, 4) == 0) {
        if (calls.lazy() == lazy_mode::none) {
          calls.enter_lazy(*rc::gen::arbitrary<bool>() ? lazy_mode::mmu : lazy_mode::cpu);
        } else {
          calls.leave_lazy(calls.lazy());
          RC_ASSERT(!calls.waiting());
          RC_ASSERT(machine.events.size() == requests.size() + callbacks.size());
        }
      }
      calls.batch();
      const int kind = *rc::gen::inRange(0, 5);
      for (int i = *rc::gen::inRange(0, 80); i > 0; --i) {
        switch (kind == 4 ? *rc::gen::inRange(0, 4) : kind) {
          case 0:
            calls.queue_mmu_update(++n, 7);
            requests.push_back({"mmu", n, 7});
            break;
          case 1:
            calls.queue_mmuext(4, ++n);
            requests.push_back({"ext", 4, n});
            break;
          case 2:
            calls.queue_update_va_mapping(++n, 9, 1);
            requests.push_back({"va", n, 9});
            break;
          default:
            calls.queue_callback(record_callback, &machine, ++n);
            callbacks.push_back({"callback", n, 0});
            before.push_back(requests.size());
        }
      }
      const lazy_mode mode = *rc::gen::elementOf(
          std::vector<lazy_mode>{lazy_mode::none, lazy_mode::mmu, lazy_mode::cpu});
      const bool made = mode == lazy_mode::none || mode != calls.lazy();
      calls.issue(mode);
      RC_ASSERT(machine.irq_off[0] == 0u);
      if (made) RC_ASSERT(!calls.waiting());
    }
    calls.flush();
    std::vector<Event> done, called;
    for (const Event& e : machine.events) {
      if (e.what != "callback") {
        done.push_back(e);
        continue;
      }
      RC_ASSERT(done.size() >= before.at(called.size()));
      called.push_back(e);
    }
    RC_ASSERT(done == requests);
    RC_ASSERT(called == callbacks);
    RC_ASSERT(calls.failures() == 0u);
  }));
}

TEST(Multicall, adjacent_updates_share_an_entry) {
  Recorder machine;
  multicalls<Recorder> calls(machine);
  calls.batch();
  for (uint64_t i = 0; i < 32; ++i) calls.queue_mmu_update(i << 3, i);
  calls.issue(lazy_mode::none);
  EXPECT_EQ(machine.hypercalls, 1);
  EXPECT_EQ(machine.events.size(), 32u);
}

TEST(Multicall, a_failure_is_counted_and_holds_up_no_other_entry) {
  for (size_t failing = 0; failing < 5; ++failing) {
    Recorder machine;
    multicalls<Recorder> calls(machine);
    machine.result = [&](const Event&) { return machine.events.size() == failing + 1 ? -16 : 0; };
    calls.batch();
    for (uint64_t i = 0; i < 5; ++i) calls.queue_update_va_mapping(i, i, 0);
    calls.queue_callback(record_callback, &machine, 5);
    calls.issue(lazy_mode::none);
    ASSERT_EQ(machine.events.size(), 6u);
    EXPECT_EQ(machine.events[5].what, "callback");
    EXPECT_EQ(calls.failures(), 1u);
    EXPECT_EQ(calls.first_failure().op, abi::kUpdateVaMapping);
    EXPECT_EQ(calls.first_failure().result, -16);
    EXPECT_EQ(machine.warnings, 1);
  }
}

TEST(Multicall, a_batch_within_a_batch_is_a_bug) {
  Recorder machine;
  multicalls<Recorder> calls(machine);
  calls.batch();
  EXPECT_THROW(calls.batch(), GuestCrash);
  EXPECT_THROW(calls.flush(), GuestCrash);
  calls.issue(lazy_mode::none);
  EXPECT_THROW(calls.issue(lazy_mode::none), GuestCrash);
  EXPECT_THROW(calls.queue_mmuext(4, 1), GuestCrash);
}

TEST(Multicall, each_vcpu_has_its_own_buffer) {
  Recorder machine;
  multicalls<Recorder> calls(machine);
  calls.enter_lazy(lazy_mode::mmu);
  calls.batch();
  calls.queue_mmuext(4, 1);
  calls.issue(lazy_mode::mmu);
  machine.cpu = 1;
  EXPECT_FALSE(calls.waiting());
  calls.batch();
  calls.queue_mmuext(4, 2);
  calls.issue(lazy_mode::mmu);
  EXPECT_EQ(machine.events, (std::vector<Event>{{"ext", 4, 2}}));
  machine.cpu = 0;
  EXPECT_TRUE(calls.waiting());
  calls.leave_lazy(lazy_mode::mmu);
  EXPECT_EQ(machine.events.size(), 2u);
}

}  // namespace
}  // namespace ferry
