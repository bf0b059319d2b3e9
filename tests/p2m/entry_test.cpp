// What a p2m entry means: every value means exactly one thing.
#include "p2m/entry.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace ferry {
namespace {

TEST(P2mEntry, invalid_is_told_before_foreign_and_identity) {
  EXPECT_EQ(p2m_kind_of(~uint64_t{0}), p2m_kind::invalid);
}

TEST(P2mEntry, classification_is_total_and_follows_the_two_upper_bits) {
  EXPECT_TRUE(rc::check([] {
    const uint64_t e = *rc::gen::arbitrary<uint64_t>() ^ *rc::gen::arbitrary<uint64_t>() << 32;
    if (e == ~uint64_t{0}) return;
    constexpr p2m_kind kExpected[] = {p2m_kind::own, p2m_kind::identity, p2m_kind::foreign,
                                      p2m_kind::foreign};
    RC_ASSERT(p2m_kind_of(e) == kExpected[e >> 62]);
  }));
  for (unsigned bit = 0; bit < 64; ++bit) {
    EXPECT_EQ(p2m_kind_of(uint64_t{1} << bit), bit == 63   ? p2m_kind::foreign
                                               : bit == 62 ? p2m_kind::identity
                                                           : p2m_kind::own);
    EXPECT_EQ(p2m_kind_of(~(uint64_t{1} << bit)),
              bit == 63 ? p2m_kind::identity : p2m_kind::foreign);
  }
}

TEST(P2mEntry, foreign_and_identity_give_their_frame_back) {
  EXPECT_TRUE(rc::check([] {
    const uint64_t n = *rc::gen::inRange<uint64_t>(0, uint64_t{1} << 40);
    RC_ASSERT(p2m_kind_of(foreign_frame(mfn_t(n))) == p2m_kind::foreign);
    RC_ASSERT(p2m_frame_of(foreign_frame(mfn_t(n))) == mfn_t(n));
    RC_ASSERT(p2m_kind_of(identity_frame(pfn_t(n))) == p2m_kind::identity);
    RC_ASSERT(p2m_frame_of(identity_frame(pfn_t(n))) == mfn_t(n));
    RC_ASSERT(p2m_kind_of(n) == p2m_kind::own);
    RC_ASSERT(p2m_frame_of(n) == mfn_t(n));
  }));
}

}  // namespace
}  // namespace ferry
