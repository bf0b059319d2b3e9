// The stock engine saves a simulated guest on one host and restores it on another: is it the same
// guest?
#include <gtest/gtest.h>
#include <unistd.h>

#include <fmt/format.h>

#include "sim/builder/compare.h"
#include "sim/seam/binding.h"
#include "tests/sim/stock_engine.h"

namespace ferry::sim {
namespace {

std::string joined(const std::vector<std::string>& sentences) {
  std::string all;
  for (const std::string& s : sentences) all += "\n  " + s;
  return all;
}

void round_trip(uint64_t seed, uint64_t most_pages) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  const GuestSpec spec = GuestSpec::random(seed, most_pages);
  auto a = Host::create({.seed = seed, .frames = spec.pages + 2048});
  auto b = Host::create({.seed = seed + 1000003, .frames = spec.pages + 2048 + seed % 1000});
  const ScratchGuest guest = build_guest(*a, spec);
  const GuestView before = view_guest(*a, guest.domid);
  const int fd = scratch_file();
  ASSERT_EQ(stock_save(*a, guest.domid, fd), 0);
  ASSERT_EQ(lseek(fd, 0, SEEK_SET), 0);
  const StockRestored restored = stock_restore(*b, fd, spec.pages, spec.vcpus);
  close(fd);
  ASSERT_EQ(restored.os_errno, 0);
  const auto differences =
      compare_restored(guest, before, *b, static_cast<DomainNumber>(restored.domid), kStockRules);
  EXPECT_TRUE(differences.empty()) << joined(differences);
  EXPECT_EQ(b->m2p(mfn_t(restored.store_mfn)), guest.store_ring);
  EXPECT_EQ(b->m2p(mfn_t(restored.console_mfn)), guest.console_ring);
  EXPECT_EQ(seam_usage(), SeamUsage{});
}

TEST(StockEngine, RestoresTheSameGuestThatItSaved) {
  constexpr uint64_t kSeeds = 300;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    round_trip(seed, 1024);
    if (HasFailure()) return;
  }
  fmt::print("{} guests went through xc_domain_save and xc_domain_restore\n", kSeeds);
}

TEST(StockEngine, DoesSoWithLargerGuests) {
  for (uint64_t seed = 100; seed < 106; ++seed) round_trip(seed, 4096);
}

}  // namespace
}  // namespace ferry::sim
