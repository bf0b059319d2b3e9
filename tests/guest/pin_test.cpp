// Address spaces through the guest half, checked by Xen's rules after every single request.
#include "guest/pin.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "tests/guest/world.h"

namespace ferry {
namespace {

TEST(AddressSpaces, follow_xens_rules_after_every_request_whatever_processes_do) {
  EXPECT_TRUE(rc::check([] {
    TestGuest g(*rc::gen::arbitrary<uint32_t>(),
                *rc::gen::elementOf(std::vector<p2m_form>{p2m_form::tree, p2m_form::list}));
    g.booted();
    World world(g);
    const size_t free_pages = g.kernel.free_pages();
    for (int n = *rc::gen::inRange(0, 60); n > 0; --n) {
      world.step();
      world.check();
    }
    // A suspend's pinning is undone exactly.
    std::vector<bool> pinned;
    for (auto& space : world.spaces) pinned.push_back(space->pinned());
    g.g.pins.pin_all();
    check_calls(g);
    check_flags(g);
    for (auto& space : world.spaces) RC_ASSERT(space->pinned());
    g.g.pins.unpin_all();
    for (size_t i = 0; i < pinned.size(); ++i) RC_ASSERT(world.spaces[i]->pinned() == pinned[i]);
    world.check();
    while (!world.spaces.empty()) {
      world.spaces.back()->destroy();
      world.spaces.pop_back();
    }
    world.check();
    RC_ASSERT(g.kernel.free_pages() == free_pages);
  }));
}

TEST(Pinning, a_released_table_can_be_written_by_its_next_owner_at_once_even_in_lazy_mode) {
  TestGuest g;
  g.booted();
  AddressSpace space(g);
  space.map(0x1000, true);
  g.g.pins.pin(space.pgd());
  const pfn_t l1 = g.kernel.pfn_of(space.pte_address(0x1000));
  EXPECT_FALSE(g.g.core.map.l1_entry(g.kernel.va_of(l1)) & kPteRw);
  g.g.core.calls.enter_lazy(lazy_mode::mmu);
  space.drop_l1(0x1000);
  EXPECT_TRUE(g.g.core.map.l1_entry(g.kernel.va_of(l1)) & kPteRw);
  g.g.core.calls.leave_lazy(lazy_mode::mmu);
  EXPECT_EQ(g.g.core.calls.failures(), 0u);
}

TEST(Pinning, order_is_read_only_first_and_the_l4_last_and_backwards_to_unpin) {
  TestGuest g;
  g.booted();
  AddressSpace space(g);
  space.map(0x1000, true);
  space.map(0x40000000, true);
  std::vector<std::pair<uint64_t, bool>> pins;  // pfn, pinned
  std::set<uint64_t> was;
  const auto watch = [&] {
    for (uint64_t pfn = 0; pfn < g.kernel.nr_pages(); ++pfn) {
      const bool now = g.xen.frame(g.kernel.mfn(pfn)).pinned;
      if (now == was.contains(pfn)) continue;
      pins.emplace_back(pfn, now);
      now ? void(was.insert(pfn)) : void(was.erase(pfn));
    }
  };
  watch();
  pins.clear();
  g.xen.after_request = watch;
  const uint64_t user = g.kernel.page(space.pgd()).user_pgd;
  g.g.pins.pin(space.pgd());
  ASSERT_EQ(pins.size(), 4u);
  EXPECT_EQ(pins[2], std::pair(space.pgd().raw(), true));
  EXPECT_EQ(pins[3], std::pair(user, true));
  pins.clear();
  g.g.pins.unpin(space.pgd());
  ASSERT_EQ(pins.size(), 4u);
  EXPECT_EQ(pins[0], std::pair(space.pgd().raw(), false));
  EXPECT_EQ(pins[1], std::pair(user, false));
}

}  // namespace
}  // namespace ferry
