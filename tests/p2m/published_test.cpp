// Reading a published p2m, in both forms: what is found, what is trimmed, and every refusal.
#include "p2m/published.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <cstring>

#include "tests/p2m/published_case.h"

namespace ferry {
namespace {

constexpr uint64_t kNrMfns = Case::kNrMfns;

uint64_t arbitrary_vaddr(uint64_t nr_leaves) {
  const uint64_t room = (uint64_t{1} << 46) - nr_leaves * 4096;
  const uint64_t low = *rc::gen::inRange<uint64_t>(0, room) & ~uint64_t{4095};
  return *rc::gen::arbitrary<bool>() ? low : low + 0xffff880000000000;
}

// A few stretches: own leaves, or the missing one over and over; often with a long missing end.
void fill_leaves(Case& c) {
  c.missing = c.memory.add();
  const unsigned stretches = *rc::gen::inRange(1u, 5u);
  for (unsigned s = 0; s < stretches; ++s) {
    const unsigned length = *rc::gen::elementOf(std::vector<unsigned>{1, 3, 511, 512, 700, 1600});
    const bool missing = *rc::gen::arbitrary<bool>();
    for (unsigned i = 0; i < length; ++i)
      c.leaves.push_back(missing ? c.missing : 0x10000 + 8 * c.leaves.size());
  }
  c.max_pfn = c.leaves.size() * 512 - *rc::gen::inRange(0u, 512u);
}

void publish(Case& c) {
  c.linear = *rc::gen::arbitrary<bool>();
  c.published = c.linear ? publish_linear(c.memory, c.leaves, c.missing, c.max_pfn,
                                          arbitrary_vaddr(c.leaves.size()))
                         : publish_tree(c.memory, c.leaves, c.missing, c.max_pfn);
}

TEST(PublishedP2m, all_leaves_are_found_but_the_repeats_at_the_end) {
  EXPECT_TRUE(rc::check([] {
    Case c;
    fill_leaves(c);
    publish(c);
    SeenP2m seen;
    const p2m_read_result r = c.read(seen);
    RC_ASSERT(r.ok());
    std::vector<uint64_t> expected = c.leaves;
    while (expected.size() > 1 && expected.back() == expected[expected.size() - 2])
      expected.pop_back();
    RC_ASSERT(seen.leaves == expected);
    RC_ASSERT(r.nr_leaves == expected.size());
    RC_ASSERT(r.nr_pfns == std::min(c.max_pfn, expected.size() * 512));
    for (const auto& [level, tables] : c.published.tables)
      if (level > 1 && !c.linear) RC_ASSERT(seen.tables[level] == tables);
    for (const auto& [level, tables] : seen.tables)
      for (uint64_t mfn : tables) RC_ASSERT(c.published.tables[level].contains(mfn));
    RC_ASSERT(c.memory.mapped() == 0);
    RC_ASSERT(c.memory.most_mapped() <= 5);
  }));
}

// Whatever the sharing of tables and leaves, and wherever the list begins: a leaf is left out only
// if it is already among those that were reported.
TEST(PublishedP2m, no_leaf_is_lost_however_tables_are_shared) {
  EXPECT_TRUE(rc::check([] {
    Case c;
    c.missing = c.memory.add();
    const uint64_t l1[2] = {c.memory.add(), c.memory.add()};
    std::mt19937_64 random(*rc::gen::arbitrary<uint32_t>());
    for (uint64_t table : l1)
      for (uint64_t& e : c.memory[table]) e = (0x20000 + random() % 4096) << 12 | 1;
    const unsigned nr_tables = *rc::gen::inRange(1u, 7u);
    const unsigned skipped = *rc::gen::inRange(0u, 511u);
    const unsigned missing_at_end = *rc::gen::inRange(0u, nr_tables == 1 ? 511 - skipped : 511u);
    const uint64_t l2 = c.memory.add(), l3 = c.memory.add(), l4 = c.memory.add();
    std::vector<uint64_t> leaves;
    for (unsigned t = 0; t < nr_tables; ++t) {
      const uint64_t table = l1[*rc::gen::inRange(0, 3) == 0];
      c.memory[l2][t] = table << 12 | 1;
      for (unsigned i = t == 0 ? skipped : 0; i < 512 - (t + 1 == nr_tables ? missing_at_end : 0);
           ++i)
        leaves.push_back(c.memory[table][i] >> 12);
    }
    c.memory[l3][3] = l2 << 12 | 1;
    c.memory[l4][300] = l3 << 12 | 1;
    c.published.arch = {.max_pfn = leaves.size() * 512,
                        .p2m_cr3 = l4 << 12,
                        .p2m_vaddr = 0xffff000000000000 | uint64_t{300} << 39 | uint64_t{3} << 30 |
                                     uint64_t{skipped} << 12};
    SeenP2m seen;
    RC_ASSERT(c.read(seen).ok());
    RC_ASSERT(seen.leaves.size() <= leaves.size());
    const std::set<uint64_t> kept(seen.leaves.begin(), seen.leaves.end());
    for (size_t i = 0; i < leaves.size(); ++i) {
      if (i < seen.leaves.size())
        RC_ASSERT(seen.leaves[i] == leaves[i]);
      else
        RC_ASSERT(kept.contains(leaves[i]));
    }
  }));
}

struct Step {
  uint64_t table;
  unsigned index;
};

// The entries that lead to one leaf, root first, as many as are asked for.
std::vector<Step> path_to(Case& c, uint64_t leaf, size_t steps = 4) {
  std::vector<Step> path;
  uint64_t table = c.linear ? c.published.arch.p2m_cr3 >> 12 : c.published.arch.frame_list_list;
  const uint64_t address = (c.linear ? c.published.arch.p2m_vaddr : 0) + leaf * 4096;
  for (unsigned level = c.linear ? 4 : 2; level > 0; --level) {
    const unsigned index = address >> (12 + 9 * (level - 1)) & 511;
    path.push_back({table, index});
    if (path.size() == steps) break;
    const uint64_t entry = c.memory[table][index];
    table = c.linear ? entry >> 12 & 0xffffffffff : entry;
  }
  return path;
}

Case plain_case(bool linear) {
  Case c;
  c.linear = linear;
  c.missing = c.memory.add();
  for (unsigned i = 0; i < 1200; ++i) c.leaves.push_back(c.memory.add());
  c.max_pfn = c.leaves.size() * 512;
  c.published = linear
                    ? publish_linear(c.memory, c.leaves, c.missing, c.max_pfn, 0xffffc90000123000)
                    : publish_tree(c.memory, c.leaves, c.missing, c.max_pfn);
  return c;
}

TEST(PublishedP2m, each_bit_of_each_entry_on_the_way_is_checked) {
  for (bool linear : {false, true}) {
    Case c = plain_case(linear);
    for (uint64_t leaf : {0, 700, 1199}) {
      const std::vector<Step> path = path_to(c, leaf);
      for (size_t depth = 0; depth < path.size(); ++depth) {
        const unsigned level = static_cast<unsigned>(path.size() - depth);
        uint64_t& entry = c.memory[path[depth].table][path[depth].index];
        const uint64_t good = entry;
        for (unsigned bit = 0; bit < 64; ++bit) {
          entry = good ^ uint64_t { 1 } << bit;
          SCOPED_TRACE(testing::Message() << (linear ? "linear" : "tree") << " level " << level
                                          << " leaf " << leaf << " bit " << bit);
          p2m_fault expected = p2m_fault::none;
          const bool frame_bit = !linear || (bit >= 12 && bit <= 51);
          const uint64_t mfn = linear ? entry >> 12 & 0xffffffffff : entry;
          if (linear && bit == 0)
            expected = p2m_fault::not_present;
          else if (linear && bit == 7 && level > 1)
            expected = p2m_fault::superpage;
          else if (frame_bit && mfn >= kNrMfns)
            expected = p2m_fault::bad_frame;
          else if (frame_bit && level > 1 && !c.memory.frame(mfn_t(mfn)))
            expected = p2m_fault::unreadable;
          SeenP2m seen;
          const p2m_read_result r = c.read(seen);
          if (expected == p2m_fault::none && frame_bit && level > 1) {
            // Happens to lead to another page of the guest: whatever is there is refused or read.
            continue;
          }
          EXPECT_EQ(r.fault, expected) << text_of(r.fault);
          if (expected != p2m_fault::none) {
            EXPECT_EQ(r.level, level);
            EXPECT_EQ(r.index, path[depth].index);
            EXPECT_EQ(r.entry, entry);
            EXPECT_LE(r.leaf, leaf);
            EXPECT_EQ(path_to(c, r.leaf, depth + 1)[depth].table, path[depth].table);
          }
        }
        for (uint64_t no_frame : {uint64_t{0}, kNrMfns}) {
          entry = linear ? no_frame << 12 | 1 : no_frame;
          SeenP2m seen;
          const p2m_read_result r = c.read(seen);
          EXPECT_EQ(r.fault, p2m_fault::bad_frame);
          EXPECT_EQ(r.level, level);
          EXPECT_EQ(r.index, path[depth].index);
        }
        entry = good;
      }
    }
  }
}

p2m_fault fault_with(Case& c, published_p2m arch) {
  SeenP2m seen;
  const p2m_read_result r =
      read_published_p2m(arch, {.nr_mfns = kNrMfns, .max_pfns = uint64_t{1} << 28}, c.memory, seen);
  EXPECT_EQ(r.level, 0u);
  EXPECT_TRUE(seen.leaves.empty());
  return r.fault;
}

TEST(PublishedP2m, what_shared_info_says_is_checked_before_any_frame_is_read) {
  Case tree = plain_case(false), linear = plain_case(true);
  for (Case* c : {&tree, &linear}) {
    published_p2m a = c->published.arch;
    a.max_pfn = 0;
    EXPECT_EQ(fault_with(*c, a), p2m_fault::no_pfns);
    a.max_pfn = (uint64_t{1} << 28) + 1;
    EXPECT_EQ(fault_with(*c, a), p2m_fault::too_many_pfns);
    a.max_pfn = ~uint64_t{0};
    EXPECT_EQ(fault_with(*c, a), p2m_fault::too_many_pfns);
  }
  published_p2m a = tree.published.arch;
  for (uint64_t unset : {uint64_t{0}, ~uint64_t{0}}) {
    a.frame_list_list = unset;
    EXPECT_EQ(fault_with(tree, a), p2m_fault::not_published);
  }
  a.frame_list_list = kNrMfns;
  EXPECT_EQ(fault_with(tree, a), p2m_fault::bad_frame);
  a.frame_list_list = kNrMfns - 1;
  EXPECT_EQ(fault_with(tree, a), p2m_fault::unreadable);
  a = tree.published.arch;
  a.max_pfn = (uint64_t{1} << 27) + 1;
  EXPECT_EQ(fault_with(tree, a), p2m_fault::too_many_pfns) << "a tree ends at 512 GiB";

  a = linear.published.arch;
  a.p2m_generation = 3;
  EXPECT_EQ(fault_with(linear, a), p2m_fault::in_change);
  a = linear.published.arch;
  a.p2m_cr3 = kNrMfns << 12;
  EXPECT_EQ(fault_with(linear, a), p2m_fault::bad_frame);
  a.p2m_cr3 = (kNrMfns - 1) << 12;
  EXPECT_EQ(fault_with(linear, a), p2m_fault::unreadable);
  a.p2m_cr3 = 0xfff;
  EXPECT_EQ(fault_with(linear, a), p2m_fault::bad_frame);
}

TEST(PublishedP2m, a_linear_list_must_lie_in_the_guests_own_addresses) {
  Case c = plain_case(true);
  const uint64_t size = c.leaves.size() * 4096;
  published_p2m a = c.published.arch;
  const auto refused = [&](uint64_t vaddr) {
    a.p2m_vaddr = vaddr;
    EXPECT_EQ(fault_with(c, a), p2m_fault::bad_range) << std::hex << vaddr;
  };
  const auto walked = [&](uint64_t vaddr) {
    a.p2m_vaddr = vaddr;
    SeenP2m seen;
    EXPECT_EQ(read_published_p2m(a, {.nr_mfns = kNrMfns}, c.memory, seen).fault,
              p2m_fault::not_present)
        << std::hex << vaddr;
  };
  walked(0);
  refused(1);
  refused(0xffffc90000123008);
  walked(0x800000000000 - size);
  refused(0x800000000000 - size + 4096);
  refused(0x800000000000);
  refused(0xffff7ffffffff000);
  refused(0xffff800000000000);
  refused(0xffff87fffffff000);
  walked(0xffff880000000000);
  walked(uint64_t{0} - size);
  refused(uint64_t{0} - size + 4096);
  refused(0xfffffffffffff000);
}

TEST(PublishedP2m, fields_are_read_from_their_places_in_shared_info) {
  alignas(8) unsigned char page[4096] = {};
  const auto put = [&page](size_t at, uint64_t v) { std::memcpy(page + at, &v, 8); };
  put(0xc10, 11);
  put(0xc18, 12);
  put(0xc28, 13);
  put(0xc30, 14);
  put(0xc38, 15);
  const published_p2m p = published_p2m_of(page);
  EXPECT_EQ(p.max_pfn, 11u);
  EXPECT_EQ(p.frame_list_list, 12u);
  EXPECT_EQ(p.p2m_cr3, 13u);
  EXPECT_EQ(p.p2m_vaddr, 14u);
  EXPECT_EQ(p.p2m_generation, 15u);
}

// A policy may hand out bare pointers.
TEST(PublishedP2m, bare_pointers_will_do) {
  struct Bare {
    uint64_t list[512], top[512];
    const uint64_t* frame(mfn_t mfn) const {
      return mfn == mfn_t(1) ? top : mfn == mfn_t(2) ? list : nullptr;
    }
  } memory = {};
  memory.top[0] = 2;
  for (uint64_t i = 0; i < 512; ++i) memory.list[i] = 10 + i;
  SeenP2m seen;
  const published_p2m arch{.max_pfn = 1000, .frame_list_list = 1};
  const p2m_read_result r = read_published_p2m(arch, {.nr_mfns = 12}, memory, seen);
  ASSERT_TRUE(r.ok());
  EXPECT_EQ(seen.leaves, (std::vector<uint64_t>{10, 11}));
  EXPECT_EQ(r.nr_pfns, 1000u);
}

}  // namespace
}  // namespace ferry
