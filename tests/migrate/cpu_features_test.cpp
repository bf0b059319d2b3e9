// CPU features that a guest has and another host has not, by name.
#include "migrate/cpu_features.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>

#include "io/byte_stream.h"

namespace ferry {
namespace {

constexpr uint32_t kNone = 0xffffffff;

// Leaf, subleaf, eax, ebx, ecx, edx.
Bytes leaves(std::initializer_list<std::array<uint32_t, 6>> list) {
  Bytes bytes(list.size() * 24);
  size_t at = 0;
  for (const auto& leaf : list) {
    std::memcpy(bytes.data() + at, leaf.data(), 24);
    at += 24;
  }
  return bytes;
}

using Names = std::vector<std::string>;

TEST(CpuFeatures, are_named_where_the_other_host_lacks_them) {
  const Bytes guest = leaves({{1, kNone, 0, 0, 1u << 28 | 1u << 30, 1u << 0},
                              {7, 0, 0, 1u << 5 | 1u << 31, 0, 0},
                              {0x80000001, kNone, 0, 0, 1u << 6, 1u << 20}});
  const Bytes host = leaves({{1, kNone, 0, 0, 1u << 28, 1u << 0},
                             {7, 0, 0, 1u << 31, 0, 0},
                             {0x80000001, kNone, 0, 0, 0, 1u << 20}});
  EXPECT_EQ(missing_cpu_features(guest, host), (Names{"rdrand", "avx2", "sse4a"}));
  EXPECT_EQ(missing_cpu_features(guest, guest), Names{});
  EXPECT_EQ(missing_cpu_features(host, guest), Names{});
}

TEST(CpuFeatures, of_a_leaf_that_the_host_has_not_are_all_missing) {
  EXPECT_EQ(missing_cpu_features(leaves({{7, 0, 0, 1u << 5, 1u << 2, 1u << 14}}), {}),
            (Names{"avx2", "umip", "serialize"}));
}

TEST(CpuFeatures, without_a_name_are_told_by_their_bit) {
  EXPECT_EQ(missing_cpu_features(leaves({{7, 0, 0, 0, 0, 1u << 31 | 1u << 12}}), {}),
            (Names{"CPUID leaf 0x7 subleaf 0x0 edx bit 12", "ssbd"}));
  EXPECT_EQ(missing_cpu_features(leaves({{0x80000021, kNone, 1u << 6, 0, 0, 0}}), {}),
            Names{"CPUID leaf 0x80000021 eax bit 6"});
}

TEST(CpuFeatures, of_every_word_that_xen_levels_are_told) {
  const Bytes guest = leaves({{7, 1, 0, 1u << 0, 1u << 3, 1u << 4},
                              {7, 2, 0, 0, 0, 1u << 4},
                              {0xd, 0, 1u << 5, 0, 0, 0},
                              {0x80000021, kNone, 0, 0, 1u << 1, 0}});
  EXPECT_EQ(missing_cpu_features(guest, {}),
            (Names{"CPUID leaf 0x7 subleaf 0x1 ebx bit 0", "CPUID leaf 0x7 subleaf 0x1 ecx bit 3",
                   "avx-vnni-int8", "bhi-ctrl", "xstate-opmask", "tsa-sq-no"}));
}

TEST(CpuFeatures, come_from_somebody) {
  EXPECT_EQ(cpu_vendor(leaves({{0, kNone, 0xd, 0x756e6547, 0x6c65746e, 0x49656e69}})),
            "GenuineIntel");
  EXPECT_EQ(cpu_vendor({}), "");
}

TEST(CpuFeatures, that_are_states_or_topology_do_not_count) {
  const Bytes guest = leaves({{1, kNone, 0x306a9, 0xffffffff, 0x88200000, 1u << 28},
                              {7, 0, 5, 0, 1u << 4, 0},
                              {0x80000001, kNone, 0, 0, 1u << 1, 0x0183f3ff},
                              {0xd, 0, 0, 0x340, 0x340, 0},
                              {0xb, 0, 1, 2, 3, 4}});
  EXPECT_EQ(missing_cpu_features(guest, {}), Names{});
}

TEST(CpuFeatures, of_bytes_that_are_no_leaves_are_none) {
  EXPECT_EQ(missing_cpu_features(Bytes(23), Bytes(7)), Names{});
}

}  // namespace
}  // namespace ferry
