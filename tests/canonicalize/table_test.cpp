// Page-table pages to pfn form and back: round trips, flags, and every refusal.
#include "canonicalize/table.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>

#include "tests/canonicalize/fake_frames.h"

namespace ferry {
namespace {

constexpr pt_level kLevels[] = {PT_PGD, PT_PUD, PT_PMD, PT_PTE};

struct Table {
  table_page e = {};
  bool operator==(const Table& o) const { return std::equal(std::begin(e), std::end(e), o.e); }
};

uint64_t allowed_flags(pt_level level) {
  return kPteFlagMask & ~(level == PT_PTE ? 0 : kPtePse);
}

// What a guest may have: own frames with any flags, entries without P that hold anything, and Xen's
// own values in Xen's slots.
Table arbitrary_machine_table(pt_level level, const FakeFrames& frames) {
  std::mt19937_64 random(*rc::gen::arbitrary<uint32_t>());
  Table t;
  for (unsigned i = 0; i < kEntriesPerTable; ++i) {
    const uint64_t value = random();
    if (xen_slot(level, i))
      t.e[i] = value;
    else if (value % 3 == 0)
      t.e[i] = random() & ~kPtePresent;
    else if (value % 3 == 1)
      t.e[i] = (random() & allowed_flags(level)) | kPtePresent |
               frames.mfn(frames.pick(value)).raw() << kPageShift;
  }
  return t;
}

pt_level arbitrary_level() {
  return *rc::gen::elementOf(std::vector<pt_level>(std::begin(kLevels), std::end(kLevels)));
}

TEST(Table, comes_back_from_pfn_form_the_same_but_for_the_slots_of_xen) {
  EXPECT_TRUE(rc::check([] {
    const FakeFrames frames(*rc::gen::arbitrary<uint32_t>(), 40);
    const pt_level level = arbitrary_level();
    const Table machine = arbitrary_machine_table(level, frames);
    Table pfn_form, back;
    RC_ASSERT(canonicalize_table(level, machine.e, pfn_form.e, frames).ok());
    RC_ASSERT(localise_table(level, pfn_form.e, back.e, frames).ok());
    for (unsigned i = 0; i < kEntriesPerTable; ++i)
      RC_ASSERT(back.e[i] == (xen_slot(level, i) ? 0 : machine.e[i]));
  }));
}

TEST(Table, pfn_form_names_pfns_and_keeps_all_flags) {
  EXPECT_TRUE(rc::check([] {
    const FakeFrames frames(*rc::gen::arbitrary<uint32_t>(), 40);
    const pt_level level = arbitrary_level();
    const Table machine = arbitrary_machine_table(level, frames);
    Table out;
    RC_ASSERT(canonicalize_table(level, machine.e, out.e, frames).ok());
    for (unsigned i = 0; i < kEntriesPerTable; ++i) {
      if (xen_slot(level, i)) {
        RC_ASSERT(out.e[i] == 0u);
      } else if ((machine.e[i] & 1) == 0) {
        RC_ASSERT(out.e[i] == machine.e[i]);
      } else {
        const uint64_t pfn = out.e[i] >> 12 & 0xffffffffff;
        RC_ASSERT(frames.mfn(pfn_t(pfn)).raw() == (machine.e[i] >> 12 & 0xffffffffff));
        RC_ASSERT((out.e[i] & 0xfff0000000000fff) == (machine.e[i] & 0xfff0000000000fff));
      }
    }
  }));
}

TEST(Table, in_place_gives_the_same_as_out_of_place) {
  EXPECT_TRUE(rc::check([] {
    const FakeFrames frames(*rc::gen::arbitrary<uint32_t>(), 20);
    const pt_level level = arbitrary_level();
    Table t = arbitrary_machine_table(level, frames), out;
    RC_ASSERT(canonicalize_table(level, t.e, out.e, frames).ok());
    RC_ASSERT(canonicalize_table(level, t.e, t.e, frames).ok());
    RC_ASSERT(t == out);
    RC_ASSERT(localise_table(level, out.e, out.e, frames).ok());
    RC_ASSERT(localise_table(level, t.e, t.e, frames).ok());
    RC_ASSERT(t == out);
  }));
}

// One more bit on an entry that is fine, for each bit and level: what has to happen is written down
// here a second time, bit by bit.
TEST(Table, each_bit_of_an_entry_at_each_level_is_kept_or_refused_as_it_should) {
  FakeFrames frames;
  frames.add(pfn_t(0x155), mfn_t(0x2aa));
  for (pt_level level : kLevels) {
    for (unsigned bit = 0; bit < 64; ++bit) {
      const uint64_t flag = uint64_t{1} << bit;
      const bool frame_bit = bit >= 12 && bit <= 51;
      for (uint64_t base : {uint64_t{0}, uint64_t{0x2aa001}}) {
        Table in, out;
        const unsigned index = (bit * 7 + 3) % 256;
        in.e[index] = base ^ flag;
        out.e[index] = 0xdead;
        const entry_result r = canonicalize_table(level, in.e, out.e, frames);
        SCOPED_TRACE(testing::Message() << "L" << xen_level_of(level) << " bit " << bit << " entry "
                                        << std::hex << in.e[index]);
        if ((in.e[index] & 1) == 0) {
          EXPECT_TRUE(r.ok());
          EXPECT_EQ(out.e[index], in.e[index]);
        } else if (bit == 7 && level != PT_PTE) {
          EXPECT_EQ(r.fault, entry_fault::superpage);
        } else if (frame_bit || base == 0) {
          EXPECT_EQ(r.fault, entry_fault::foreign_frame);
        } else {
          EXPECT_TRUE(r.ok());
          EXPECT_EQ(out.e[index], uint64_t{0x155001} ^ flag);
        }
        EXPECT_EQ(r.index, r.ok() ? 0 : index);
        EXPECT_EQ(r.entry, r.ok() ? 0 : in.e[index]);
      }
    }
  }
}

TEST(Table, each_bit_of_an_entry_in_pfn_form_is_kept_or_refused_as_it_should) {
  FakeFrames frames;
  frames.add(pfn_t(0x155), mfn_t(0x2aa));
  for (pt_level level : kLevels) {
    for (unsigned bit = 0; bit < 64; ++bit) {
      const uint64_t flag = uint64_t{1} << bit;
      const bool frame_bit = bit >= 12 && bit <= 51;
      for (unsigned index : {0u, 255u, 256u, 271u, 272u, 511u}) {
        const bool xens = level == PT_PGD && (index == 256 || index == 271);
        Table in, out;
        in.e[index] = uint64_t{0x155001} ^ flag;
        const entry_result r = localise_table(level, in.e, out.e, frames);
        SCOPED_TRACE(testing::Message()
                     << "L" << xen_level_of(level) << " bit " << bit << " index " << index);
        if (xens) {
          EXPECT_EQ(r.fault, entry_fault::xen_slot);
        } else if (bit == 0) {
          EXPECT_TRUE(r.ok());
          EXPECT_EQ(out.e[index], in.e[index]);
        } else if (bit == 7 && level != PT_PTE) {
          EXPECT_EQ(r.fault, entry_fault::superpage);
        } else if (frame_bit) {
          EXPECT_EQ(r.fault, entry_fault::pfn_without_frame);
        } else {
          EXPECT_TRUE(r.ok());
          EXPECT_EQ(out.e[index], uint64_t{0x2aa001} ^ flag);
        }
        EXPECT_EQ(r.index, r.ok() ? 0 : index);
        EXPECT_EQ(r.entry, r.ok() ? 0 : in.e[index]);
      }
    }
  }
}

TEST(Table, a_fault_names_the_first_bad_entry) {
  EXPECT_TRUE(rc::check([] {
    const FakeFrames frames(*rc::gen::arbitrary<uint32_t>(), 40, 0xffff);
    const pt_level level = arbitrary_level();
    Table t = arbitrary_machine_table(level, frames);
    const auto bad =
        *rc::gen::nonEmpty(rc::gen::container<std::vector<unsigned>>(rc::gen::inRange(0u, 512u)));
    unsigned first = 512;
    for (unsigned i : bad) {
      if (xen_slot(level, i)) continue;
      t.e[i] = uint64_t{0x123456} << kPageShift | kPtePresent;  // above any mfn of the guest
      first = std::min(first, i);
    }
    Table out;
    const entry_result r = canonicalize_table(level, t.e, out.e, frames);
    RC_ASSERT(r.ok() == (first == 512));
    if (first < 512) {
      RC_ASSERT(r.fault == entry_fault::foreign_frame);
      RC_ASSERT(r.index == first);
      RC_ASSERT(r.entry == t.e[first]);
    }
  }));
}

TEST(Table, only_an_l4_has_slots_of_xen) {
  for (pt_level level : kLevels)
    for (unsigned i = 0; i < 512; ++i)
      EXPECT_EQ(xen_slot(level, i), level == PT_PGD && i >= 256 && i < 272);
}

TEST(Table, a_visit_sees_each_pfn_of_a_table_in_order_and_refuses_what_localising_refuses) {
  EXPECT_TRUE(rc::check([] {
    const FakeFrames frames(*rc::gen::arbitrary<uint32_t>(), 40);
    const pt_level level = arbitrary_level();
    Table t = arbitrary_machine_table(level, frames), out;
    RC_ASSERT(canonicalize_table(level, t.e, t.e, frames).ok());
    // Spoil it, often.
    const unsigned spoilt = *rc::gen::inRange(0u, 512u);
    t.e[spoilt] = *rc::gen::arbitrary<uint64_t>();
    std::vector<std::pair<unsigned, uint64_t>> seen;
    const entry_result visited = visit_table(level, t.e, [&](unsigned i, pfn_t pfn) {
      seen.emplace_back(i, pfn.raw());
      mfn_t mfn;
      return frames.mfn_of(pfn, mfn);
    });
    const entry_result localised = localise_table(level, t.e, out.e, frames);
    RC_ASSERT(visited.fault == localised.fault);
    RC_ASSERT(visited.index == localised.index);
    RC_ASSERT(visited.entry == localised.entry);
    std::vector<std::pair<unsigned, uint64_t>> expected;
    for (unsigned i = 0; i < 512; ++i) {
      if (!visited.ok() && i > visited.index) break;
      if (!visited.ok() && i == visited.index && visited.fault != entry_fault::pfn_without_frame)
        break;
      if ((t.e[i] & 1) != 0) expected.emplace_back(i, t.e[i] >> 12 & 0xffffffffff);
    }
    RC_ASSERT(seen == expected);
  }));
}

TEST(Table, a_frame_number_that_does_not_fit_is_refused) {
  struct Wide {
    bool pfn_of(mfn_t, pfn_t& pfn) const {
      pfn = pfn_t(kFrameLimit);
      return true;
    }
    bool mfn_of(pfn_t, mfn_t& mfn) const {
      mfn = mfn_t(kFrameLimit);
      return true;
    }
  };
  Table in, out;
  in.e[9] = 0x1001;
  EXPECT_EQ(canonicalize_table(PT_PTE, in.e, out.e, Wide{}).fault, entry_fault::frame_too_large);
  EXPECT_EQ(localise_table(PT_PTE, in.e, out.e, Wide{}).fault, entry_fault::frame_too_large);
  EXPECT_EQ(out.e[9], 0u);
}

TEST(PtLevel, turns_into_xens_number_and_back) {
  EXPECT_EQ(xen_level_of(PT_PGD), 4u);
  EXPECT_EQ(xen_level_of(PT_PUD), 3u);
  EXPECT_EQ(xen_level_of(PT_PMD), 2u);
  EXPECT_EQ(xen_level_of(PT_PTE), 1u);
  for (pt_level level : kLevels) {
    pt_level back = level == PT_PTE ? PT_PGD : PT_PTE;
    EXPECT_TRUE(pt_level_of(xen_level_of(level), back));
    EXPECT_EQ(back, level);
  }
  for (unsigned n : {0u, 5u, ~0u}) {
    pt_level level = PT_PUD;
    EXPECT_FALSE(pt_level_of(n, level));
    EXPECT_EQ(level, PT_PUD);
  }
}

}  // namespace
}  // namespace ferry
