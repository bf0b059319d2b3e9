// The same guest through Debian's unmodified libxenguest and through ferry: two restored guests,
// equal page by page and table by table, except where ferry differs on purpose.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>

#include "pipeline/seeded_executor.h"
#include "sim/builder/compare_restored.h"
#include "sim/builder/describe.h"
#include "sim/kernel/sim_kernel.h"
#include "sim/machine/domains.h"
#include "sim/machine/hypercall.h"
#include "sim/seam/binding.h"
#include "tests/engine/seeds.h"
#include "tests/engine/sim_engine.h"
#include "tests/sim/stock_engine.h"

namespace ferry::sim {
namespace {

std::string joined(const std::vector<std::string>& sentences) {
  std::string all;
  for (const std::string& s : sentences) all += "\n  " + s;
  return all;
}

struct Tally {
  uint64_t guests = 0, kernels = 0, pages = 0, tables = 0;
  OnPurposeCounts on_purpose{};
};

struct OnHost {
  std::unique_ptr<Host> host;
  DomainNumber domid = 0;
};

OnHost through_stock_engine(Host& source, const ScratchGuest& guest, uint64_t seed) {
  OnHost target{Host::create({.seed = seed + 1000003, .frames = guest.p2m_entries + 2048}), 0};
  const int fd = scratch_file();
  EXPECT_EQ(stock_save(source, guest.domid, fd), 0);
  lseek(fd, 0, SEEK_SET);
  const StockRestored restored =
      stock_restore(*target.host, fd, guest.p2m_entries, guest.spec.vcpus);
  close(fd);
  EXPECT_EQ(restored.os_errno, 0);
  target.domid = static_cast<DomainNumber>(restored.domid);
  return target;
}

OnHost through_ferry(Host& source, const ScratchGuest& guest, uint64_t seed) {
  OnHost target{Host::create({.seed = ~seed, .frames = guest.p2m_entries + 2048 + seed % 1000}), 0};
  const auto executor = make_seeded_executor(seed, static_cast<unsigned>(1 + seed % 4));
  const Saved saved = engine_save(source, guest.domid, *executor);
  EXPECT_TRUE(saved.done()) << saved.sentence;
  const Restored restored =
      engine_restore(*target.host, saved.image,
                     create_target(*target.host, guest.p2m_entries, guest.spec.vcpus), *executor);
  EXPECT_TRUE(restored.done()) << restored.sentence;
  target.domid = static_cast<DomainNumber>(restored.domid);
  return target;
}

struct BothWays {
  OnHost stock, ferry;
};

// The guest is suspended; null hosts after a failure.
BothWays compare_engines(Host& source, const ScratchGuest& guest, const GuestView& before,
                         uint64_t seed, Tally& tally) {
  BothWays both{through_stock_engine(source, guest, seed), through_ferry(source, guest, seed)};
  if (::testing::Test::HasFailure()) return {};
  const auto& [stock, ferry] = both;
  const auto told_stock = compare_restored(guest, before, *stock.host, stock.domid, kStockRules);
  EXPECT_TRUE(told_stock.empty()) << "stock engine and source:" << joined(told_stock);
  const auto told_ferry = compare_restored(guest, before, *ferry.host, ferry.domid, kFerryRules);
  EXPECT_TRUE(told_ferry.empty()) << "ferry and source:" << joined(told_ferry);
  const auto told = compare_two_restored(guest, {*stock.host, stock.domid, kStockRules},
                                         {*ferry.host, ferry.domid, kFerryRules}, tally.on_purpose);
  EXPECT_TRUE(told.empty()) << "stock engine and ferry:" << joined(told);
  ++tally.guests;
  tally.pages += before.pages.size();
  for (const auto& [pfn, page] : before.pages) tally.tables += page.type != PageType::none;
  return both;
}

// Memory of any shape.
void compare_scratch_guests(uint64_t seed, Tally& tally) {
  const GuestSpec spec = GuestSpec::random(seed, seed % 20 ? 1024 : 4096);
  const auto source = Host::create({.seed = seed, .frames = spec.pages + 2048});
  const ScratchGuest guest = build_guest(*source, spec);
  compare_engines(*source, guest, view_guest(*source, guest.domid), seed, tally);
}

// A kernel in the midst of its work, which goes on on both hosts and does the same there.
void compare_kernels(uint64_t seed, Tally& tally) {
  KernelSpec spec = KernelSpec::random(seed, 1024);
  spec.identity_tail = false;  // marks that the stock engine does not keep
  const auto source = Host::create({.seed = seed, .frames = spec.pages + spec.growth + 2048});
  const auto kernel = SimKernel::create(*source, spec);
  kernel->run(40);
  kernel->suspend();
  const GuestView before = view_guest(*source, kernel->domid());
  const ScratchGuest guest = describe_guest(*source, kernel->domid(), before);
  const BothWays both = compare_engines(*source, guest, before, seed, tally);
  if (!both.stock.host || !both.ferry.host) return;
  uint64_t sums[2] = {}, n = 0;
  for (const OnHost* on : {&both.stock, &both.ferry}) {
    unpause_domain(*on->host->find_domain(on->domid));
    const auto copy = SimKernel::attach(*on->host, on->domid);
    copy->run(40);
    EXPECT_EQ(joined(copy->check_memory()), "");
    EXPECT_EQ(copy->ticks(), 80u);
    sums[n++] = copy->checksum();
  }
  EXPECT_EQ(sums[0], sums[1]) << "the two copies do not do the same";
  ++tally.kernels;
}

uint64_t address(const void* p) {
  return reinterpret_cast<uint64_t>(p);
}

long guest_call(Host& host, const ScratchGuest& guest, unsigned op, uint64_t a1, uint64_t a2,
                uint64_t a3) {
  const uint64_t args[5] = {a1, a2, a3, 0, 0};
  return hypercall(host, {guest.domid, 0}, op, args);
}

// A guest that suspends with a page of another domain still mapped, as no kernel should.
ScratchGuest build_guest_with_foreign_frame(Host& host, GuestSpec spec) {
  spec.suspended = false;
  const ScratchGuest guest = build_guest(host, spec);
  spec = {};
  spec.pages = 256;
  spec.processes = 0;
  const ScratchGuest granter = build_guest(host, spec);
  const auto data_page = [](const ScratchGuest& g) {
    return static_cast<uint64_t>(std::find(g.roles.begin(), g.roles.end(), Role::data) -
                                 g.roles.begin());
  };
  const Domain& d = *host.find_domain(granter.domid);
  auto* grants = reinterpret_cast<grant_entry_v1_t*>(host.page(mfn_t(d.grants.mfns[0])));
  grants[9] = {GTF_permit_access, guest.domid,
               static_cast<uint32_t>(granter.p2m[data_page(granter)])};
  gnttab_map_grant_ref_t map{};
  map.host_addr = ScratchGuest::kKernelMap + (data_page(guest) << kPageShift);
  map.flags = GNTMAP_host_map;
  map.ref = 9;
  map.dom = granter.domid;
  EXPECT_EQ(guest_call(host, guest, __HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref,
                       address(&map), 1),
            0);
  EXPECT_EQ(map.status, GNTST_okay);
  unpause_domain(*host.find_domain(guest.domid));
  sched_shutdown_t reason{SHUTDOWN_suspend};
  EXPECT_EQ(guest_call(host, guest, __HYPERVISOR_sched_op, SCHEDOP_shutdown, address(&reason), 0),
            0);
  return guest;
}

// The stock engine calls it saved, and what it saved is not the guest; ferry says what is wrong.
void compare_refusals(uint64_t seed, Tally& tally) {
  const GuestSpec spec = GuestSpec::random(seed, 1024);
  auto source = Host::create({.seed = seed, .frames = spec.pages + 3072});
  const ScratchGuest guest = build_guest_with_foreign_frame(*source, spec);
  const GuestView before = view_guest(*source, guest.domid);

  const int fd = scratch_file();
  const int saved_by_stock = stock_save(*source, guest.domid, fd);
  lseek(fd, 0, SEEK_SET);
  auto target = Host::create({.seed = ~seed, .frames = spec.pages + 2048});
  const StockRestored restored = stock_restore(*target, fd, spec.pages, spec.vcpus);
  close(fd);
  const bool same = restored.os_errno == 0 &&
                    compare_restored(guest, before, *target,
                                     static_cast<DomainNumber>(restored.domid), kStockRules)
                        .empty();
  EXPECT_EQ(saved_by_stock, 0) << "the stock engine has noticed the foreign frame";
  EXPECT_FALSE(same) << "the stock engine has restored the foreign frame";

  const auto executor = make_seeded_executor(seed, 2);
  const Saved saved = engine_save(*source, guest.domid, *executor);
  EXPECT_EQ(saved.error, Errc::guest) << saved.sentence;
  EXPECT_NE(saved.sentence.find("not the guest's own"), std::string::npos) << saved.sentence;
  if (saved_by_stock == 0 && !same && saved.error == Errc::guest)
    ++tally.on_purpose[static_cast<size_t>(OnPurpose::refuses_foreign_frames)];
}

TEST(StockComparison, both_engines_restore_the_same_guest) {
  Tally tally;
  for_seeds(300, [&](uint64_t seed) {
    compare_scratch_guests(seed, tally);
    if (seed % 2 == 0) compare_kernels(seed, tally);
    if (seed % 10 == 0) compare_refusals(seed, tally);
  });
  fmt::print(
      "{} guests ({} with a kernel), {} pages, {} of them page tables, are the same by both\n",
      tally.guests, tally.kernels, tally.pages, tally.tables);
  for (size_t i = 0; i < tally.on_purpose.size(); ++i) {
    const auto name = name_of(static_cast<OnPurpose>(i));
    fmt::print("{:>8} differences on purpose: {}\n", tally.on_purpose[i], name);
    // A difference that is never there has no business in the list of those that are allowed.
    EXPECT_TRUE(tally.on_purpose[i] || replays_one_seed()) << name;
  }
}

// The comparison itself: one flipped byte in either guest, wherever it is, is found.
TEST(StockComparison, finds_one_byte_of_one_page) {
  GuestSpec spec;
  spec.pages = 300;
  auto host = Host::create({.seed = 1, .frames = 4096}),
       other = Host::create({.seed = 2, .frames = 4096});
  const ScratchGuest guest = build_guest(*host, spec), twin = build_guest(*other, spec);
  OnPurposeCounts counts{};
  const RestoredBy a{*host, guest.domid, kFerryRules}, b{*other, twin.domid, kFerryRules};
  ASSERT_EQ(joined(compare_two_restored(guest, a, b, counts)), "");
  for (uint64_t pfn = 0; pfn < spec.pages; ++pfn) {
    if (guest.roles[pfn] == Role::absent) continue;
    uint8_t& byte = other->page(mfn_t(twin.p2m[pfn]))[pfn * 5 % 2048];
    byte ^= 0x40;
    EXPECT_NE(joined(compare_two_restored(guest, a, b, counts)), "") << "pfn " << pfn;
    byte ^= 0x40;
  }
  EXPECT_EQ(counts, OnPurposeCounts{}) << "by the same rules, nothing differs on purpose";
}

}  // namespace
}  // namespace ferry::sim
