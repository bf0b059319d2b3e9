// Leaf pages of the p2m to pfn form and back.
#include "canonicalize/p2m_leaf.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <random>

#include "tests/canonicalize/fake_frames.h"

namespace ferry {
namespace {

struct Leaf {
  p2m_leaf_page e = {};
};

Leaf arbitrary_leaf(const FakeFrames& frames) {
  std::mt19937_64 random(*rc::gen::arbitrary<uint32_t>());
  Leaf leaf;
  for (uint64_t& e : leaf.e) {
    const uint64_t value = random();
    switch (value % 5) {
      case 0:
        e = kInvalidP2mEntry;
        break;
      case 1:
        e = foreign_frame(mfn_t(value >> 24));
        break;
      case 2:
        e = identity_frame(pfn_t(value >> 24));
        break;
      default:
        e = frames.mfn(frames.pick(value >> 8)).raw();
    }
  }
  return leaf;
}

TEST(P2mLeaf, comes_back_the_same_but_that_foreign_becomes_invalid) {
  EXPECT_TRUE(rc::check([] {
    const FakeFrames frames(*rc::gen::arbitrary<uint32_t>(), 60);
    const Leaf machine = arbitrary_leaf(frames);
    Leaf pfn_form, back;
    RC_ASSERT(canonicalize_p2m_leaf(machine.e, pfn_form.e, frames).ok());
    RC_ASSERT(localise_p2m_leaf(pfn_form.e, back.e, frames).ok());
    for (unsigned i = 0; i < 512; ++i) {
      const bool foreign = machine.e[i] >> 62 == 2;
      RC_ASSERT(back.e[i] == (foreign ? ~uint64_t{0} : machine.e[i]));
      if (foreign) RC_ASSERT(pfn_form.e[i] == uint64_t{1} << 63);
    }
  }));
}

TEST(P2mLeaf, pfn_form_holds_no_machine_frame) {
  EXPECT_TRUE(rc::check([] {
    const FakeFrames frames(*rc::gen::arbitrary<uint32_t>(), 60);
    const Leaf machine = arbitrary_leaf(frames);
    Leaf out;
    RC_ASSERT(canonicalize_p2m_leaf(machine.e, out.e, frames).ok());
    for (unsigned i = 0; i < 512; ++i)
      if (machine.e[i] >> 62 == 0) RC_ASSERT(frames.mfn(pfn_t(out.e[i])).raw() == machine.e[i]);
  }));
}

TEST(P2mLeaf, a_frame_that_is_not_the_guests_is_refused_by_index_and_value) {
  FakeFrames frames;
  frames.add(pfn_t(5), mfn_t(77));
  Leaf leaf, out;
  for (uint64_t& e : leaf.e) e = 77;
  leaf.e[300] = 78;
  const entry_result r = canonicalize_p2m_leaf(leaf.e, out.e, frames);
  EXPECT_EQ(r.fault, entry_fault::foreign_frame);
  EXPECT_EQ(r.index, 300u);
  EXPECT_EQ(r.entry, 78u);
}

// Every bit alone, and every bit missing from all ones, in both directions.
TEST(P2mLeaf, each_bit_of_an_entry_means_what_it_should) {
  FakeFrames frames;
  for (uint64_t n = 0; n < 40; ++n) frames.add(pfn_t(uint64_t{1} << n), mfn_t(uint64_t{1} << n));
  for (unsigned bit = 0; bit < 64; ++bit) {
    SCOPED_TRACE(bit);
    Leaf in, out;
    for (uint64_t& e : in.e) e = ~uint64_t{0};
    in.e[bit] = uint64_t{1} << bit;
    entry_result r = canonicalize_p2m_leaf(in.e, out.e, frames);
    EXPECT_EQ(r.fault, bit < 40 || bit > 61 ? entry_fault::none : entry_fault::foreign_frame);
    r = localise_p2m_leaf(in.e, out.e, frames);
    EXPECT_EQ(r.fault, bit < 40 || bit > 61 ? entry_fault::none : entry_fault::malformed);
    if (r.ok()) {
      EXPECT_EQ(out.e[bit], bit == 63 ? ~uint64_t{0} : uint64_t{1} << bit);
    }

    in.e[bit] = ~(uint64_t{1} << bit);
    r = canonicalize_p2m_leaf(in.e, out.e, frames);
    EXPECT_TRUE(r.ok());  // foreign with any bits, or identity
    EXPECT_EQ(out.e[bit], bit == 63 ? in.e[bit] : uint64_t{1} << 63);
    r = localise_p2m_leaf(in.e, out.e, frames);
    EXPECT_EQ(r.fault, bit == 63 ? entry_fault::none : entry_fault::malformed);
  }
}

TEST(P2mLeaf, a_pfn_without_a_frame_is_refused_on_the_way_back) {
  const FakeFrames frames(1, 10);
  Leaf in, out;
  for (uint64_t& e : in.e) e = ~uint64_t{0};
  in.e[511] = 1000;
  const entry_result r = localise_p2m_leaf(in.e, out.e, frames);
  EXPECT_EQ(r.fault, entry_fault::pfn_without_frame);
  EXPECT_EQ(r.index, 511u);
  EXPECT_EQ(r.entry, 1000u);
}

}  // namespace
}  // namespace ferry
