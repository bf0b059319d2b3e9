// Every call of the stock engine made to fail once: what it leaves behind, and how many such calls
// there are.
#include <gtest/gtest.h>
#include <unistd.h>

#include "sim/builder/compare.h"
#include "sim/seam/binding.h"
#include "tests/sim/stock_engine.h"

extern "C" {
#include <xenctrl.h>
}

namespace ferry::sim {
namespace {

// The stock engine loses hypercall buffers on some of its error paths; handles and mappings it
// never does.
void expect_nothing_open(uint64_t call) {
  EXPECT_EQ(seam_usage().handles, 0u) << "call " << call;
  EXPECT_EQ(seam_usage().mapped_pages, 0u) << "call " << call;
}

GuestSpec small_guest() {
  GuestSpec spec;
  spec.seed = 11;
  spec.pages = 300;
  spec.vcpus = 2;
  spec.processes = 2;
  spec.p2m = P2mForm::both;
  return spec;
}

TEST(Faults, NoFailingCallOfASaveChangesTheGuestOrLeaksAnything) {
  auto host = Host::create({.seed = 3, .frames = 4096});
  const ScratchGuest guest = build_guest(*host, small_guest());
  const GuestView before = view_guest(*host, guest.domid);
  host->faults().clear();
  const int fd = scratch_file();
  ASSERT_EQ(stock_save(*host, guest.domid, fd), 0);
  const uint64_t sites = host->faults().calls();
  ASSERT_GT(sites, 20u);
  unsigned failed = 0;
  for (uint64_t n = 1; n <= sites; ++n) {
    SCOPED_TRACE("call " + std::to_string(n));
    ASSERT_EQ(ftruncate(fd, 0), 0);
    ASSERT_EQ(lseek(fd, 0, SEEK_SET), 0);
    host->faults().clear();
    host->faults().fail_call(n);
    failed += stock_save(*host, guest.domid, fd) != 0;
    host->faults().clear();
    expect_nothing_open(n);
  }
  close(fd);
  printf("save: %lu calls, %u of them fatal when they fail, %lu buffers lost\n", sites, failed,
         seam_usage().buffers);
  EXPECT_GT(failed, sites / 3);
  const auto differences = compare_views(guest, before, view_guest(*host, guest.domid));
  EXPECT_TRUE(differences.empty()) << differences.front();
}

TEST(Faults, NoFailingCallOfARestoreLeaksAnything) {
  auto a = Host::create({.seed = 3, .frames = 4096});
  const ScratchGuest guest = build_guest(*a, small_guest());
  const GuestView before = view_guest(*a, guest.domid);
  const int fd = scratch_file();
  ASSERT_EQ(stock_save(*a, guest.domid, fd), 0);
  auto b = Host::create({.seed = 4, .frames = 4096});
  const auto restore = [&](uint64_t failing) {
    lseek(fd, 0, SEEK_SET);
    b->faults().clear();
    if (failing) b->faults().fail_call(failing);
    const StockRestored r = stock_restore(*b, fd, 300, 2);
    expect_nothing_open(failing);
    return r;
  };
  const StockRestored good = restore(0);
  ASSERT_EQ(good.os_errno, 0);
  const uint64_t sites = b->faults().calls();
  unsigned failed = 0;
  const uint64_t free_before = b->state().free_pages;
  for (uint64_t n = 1; n <= sites; ++n) {
    const StockRestored r = restore(n);
    failed += r.os_errno != 0;
    if (!r.domid) continue;
    if (r.os_errno == 0 && n % 8 == 0) {
      const auto differences =
          compare_restored(guest, before, *b, static_cast<DomainNumber>(r.domid), kStockRules);
      EXPECT_TRUE(differences.empty()) << "call " << n << ": " << differences.front();
    }
    b->faults().clear();
    BindThread bind(*b);
    xc_interface* xch = xc_interface_open(nullptr, nullptr, 0);
    EXPECT_EQ(xc_domain_destroy(xch, r.domid), 0);
    xc_interface_close(xch);
    EXPECT_EQ(b->state().free_pages, free_before) << "call " << n;
  }
  close(fd);
  printf("restore: %lu calls, %u of them fatal when they fail\n", sites, failed);
  EXPECT_GT(failed, sites / 3);
}

TEST(Faults, ChanceIsTheSameForTheSameSeed) {
  const auto run = [](uint64_t seed) {
    FaultPlan plan;
    plan.fail_by_chance(200'000, seed);
    std::string failed;
    for (unsigned i = 0; i < 200; ++i) failed += plan.next(CallKind::mmuext_op) ? 'x' : '.';
    return failed;
  };
  EXPECT_EQ(run(1), run(1));
  EXPECT_NE(run(1), run(2));
}

// A comparison that cannot say no would make every other test worthless.
TEST(Comparison, SeesASingleChangedByteEntryPinAndRegister) {
  auto host = Host::create({.seed = 5, .frames = 4096});
  const ScratchGuest guest = build_guest(*host, small_guest());
  const GuestView before = view_guest(*host, guest.domid);
  EXPECT_TRUE(compare_views(guest, before, view_guest(*host, guest.domid)).empty());
  const auto differs = [&] {
    return !compare_views(guest, before, view_guest(*host, guest.domid)).empty();
  };
  for (uint64_t pfn = 0; pfn < guest.p2m_entries; ++pfn) {
    const Role role = guest.roles[pfn];
    if (role != Role::data && role != Role::table && role != Role::gdt) continue;
    if (pfn % 7) continue;
    uint8_t& byte = host->page(mfn_t(guest.p2m[pfn]))[role == Role::table ? 9 : pfn % 4096];
    byte ^= 4;
    EXPECT_TRUE(differs()) << "pfn " << pfn;
    byte ^= 4;
  }
  Frame& pinned = host->frame(mfn_t(guest.p2m[guest.kernel_l4]));
  pinned.pinned = 0;
  EXPECT_TRUE(differs());
  pinned.pinned = 1;
  Domain& d = *host->find_domain(guest.domid);
  d.vcpus[1].context.user_regs.rip ^= 1;
  EXPECT_TRUE(differs());
  d.vcpus[1].context.user_regs.rip ^= 1;
  std::swap(host->m2p(mfn_t(guest.p2m[guest.start_info])),
            host->m2p(mfn_t(guest.p2m[guest.kernel_l4])));
  EXPECT_TRUE(differs());
}

}  // namespace
}  // namespace ferry::sim

// What the stock engine itself loses when a call of it fails is not this program's leak.
extern "C" const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() {
  return "leak:libxenguest\nleak:libxenctrl\n";
}
