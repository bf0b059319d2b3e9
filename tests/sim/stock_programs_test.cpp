// Debian's own programs and the simulated machine: verify-stream-v2 over the stock engine's
// streams, and the stock libxl-save-helper under LD_PRELOAD.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>

#include <fmt/format.h>

#include "sim/builder/compare.h"
#include "sim/machine/hypercall.h"
#include "sim/seam/binding.h"
#include "tests/sim/libxl_side.h"
#include "tests/sim/stock_engine.h"
#include "tests/sim/stock_tools.h"

extern "C" {
#include <xenctrl.h>
}

namespace ferry::sim {
namespace {

class StockPrograms : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_FALSE(stock_folder().empty()) << "xen-utils is neither here nor to be had";
    char name[] = "/tmp/ferry-sim-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    folder_ = name;
  }
  void TearDown() override {
    if (!folder_.empty()) std::filesystem::remove_all(folder_);
  }
  std::string path(const std::string& name) const { return folder_ + "/" + name; }

  std::string folder_;
};

TEST_F(StockPrograms, VerifyStreamAcceptsTheStockEnginesStreams) {
  constexpr uint64_t kSeeds = 120;
  for (uint64_t seed = 1; seed <= kSeeds && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const GuestSpec spec = GuestSpec::random(seed, 1024);
    auto host = Host::create({.seed = seed, .frames = spec.pages + 2048});
    const ScratchGuest guest = build_guest(*host, spec);
    const std::string stream = path("stream");
    const int fd = open(stream.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ASSERT_EQ(stock_save(*host, guest.domid, fd), 0);
    EXPECT_EQ(verify_stream(stream), "");
    ASSERT_EQ(ftruncate(fd, lseek(fd, 0, SEEK_END) - 8), 0);
    close(fd);
    if (seed % 10 == 0) {
      EXPECT_NE(verify_stream(stream), "") << "it cannot say no";
    }
  }
  fmt::print("verify-stream-v2 accepted {} streams, and refused {} that were cut off\n", kSeeds,
             kSeeds / 10);
}

#ifndef FERRY_SANITIZED  // Debian's program cannot load a sanitizer's runtime after the fact
std::string joined(const std::vector<std::string>& sentences) {
  std::string all;
  for (const std::string& s : sentences) all += "\n  " + s;
  return all;
}

// Makes a domain as libxl does before it starts its helper; its number and two ports.
struct Prepared {
  uint32_t domid = 0;
  int store = 0, console = 0;
};
Prepared prepare(Host& host, const GuestSpec& spec) {
  BindThread bind(host);
  xc_interface* xch = xc_interface_open(nullptr, nullptr, 0);
  xen_domctl_createdomain config{};
  config.max_vcpus = spec.vcpus;
  config.max_evtchn_port = 1023;
  config.max_grant_frames = 4;
  config.grant_opts = 1;
  Prepared p;
  EXPECT_EQ(xc_domain_create(xch, &p.domid, &config), 0);
  EXPECT_EQ(xc_domain_max_vcpus(xch, p.domid, static_cast<int>(spec.vcpus)), 0);
  EXPECT_EQ(xc_domain_setmaxmem(xch, p.domid, spec.pages * 4 + 1024), 0);
  p.store = xc_evtchn_alloc_unbound(xch, p.domid, 0);
  p.console = xc_evtchn_alloc_unbound(xch, p.domid, 0);
  xc_interface_close(xch);
  return p;
}

void round_trip(const std::string& folder, uint64_t seed) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  const std::string helper = stock_folder() + "/bin/libxl-save-helper";
  const std::string preload = std::string("LD_PRELOAD=") + FERRY_SIM_PRELOAD;
  GuestSpec spec = GuestSpec::random(seed, 1024);
  spec.suspended = false;
  const std::string path_a = folder + "/a", path_b = folder + "/b";
  auto a = Host::create_file(path_a, {.seed = seed, .frames = spec.pages + 2048});
  auto b = Host::create_file(path_b, {.seed = seed + 99, .frames = spec.pages + 2048});
  const ScratchGuest guest = build_guest(*a, spec);
  const int fd = scratch_file();
  const std::string stream = std::to_string(fcntl(fd, F_DUPFD, 10));  // not closed on exec

  // The guest suspends when libxl asks it to.
  const auto suspend = [&] {
    sched_shutdown_t reason{SHUTDOWN_suspend};
    const uint64_t args[5] = {SCHEDOP_shutdown, reinterpret_cast<uint64_t>(&reason), 0, 0, 0};
    return hypercall(*a, {guest.domid, 0}, __HYPERVISOR_sched_op, args) == 0 ? 1 : 0;
  };
  HelperResult save = run_helper(
      {helper, "--save-domain", stream, "-1", std::to_string(guest.domid), "0", "136", "0"},
      {preload, "FERRY_SIM_HOST=" + path_a}, {.suspend = suspend});
  ASSERT_EQ(save.exit_status, 0) << save.log;
  ASSERT_EQ(save.retval, 0) << save.log;
  EXPECT_TRUE(save.suspended);
  const GuestView before = view_guest(*a, guest.domid);

  ASSERT_EQ(lseek(fd, 0, SEEK_SET), 0);
  const Prepared domain = prepare(*b, spec);
  const HelperResult restore = run_helper(
      {helper, "--restore-domain", stream, "-1", std::to_string(domain.domid),
       std::to_string(domain.store), "0", std::to_string(domain.console), "0", "768", "0"},
      {preload, "FERRY_SIM_HOST=" + path_b});
  close(std::stoi(stream));
  close(fd);
  ASSERT_EQ(restore.exit_status, 0) << restore.log;
  ASSERT_EQ(restore.retval, 0) << restore.log;
  EXPECT_EQ(b->m2p(mfn_t(restore.store_mfn)), guest.store_ring);
  EXPECT_EQ(b->m2p(mfn_t(restore.console_mfn)), guest.console_ring);
  const auto differences =
      compare_restored(guest, before, *b, static_cast<DomainNumber>(domain.domid), kStockRules);
  EXPECT_TRUE(differences.empty()) << joined(differences);

  // What the helper had mapped went with it: the domains' memory comes back whole.
  const std::pair<Host*, uint32_t> all[] = {{a.get(), guest.domid}, {b.get(), domain.domid}};
  for (const auto& [host, domid] : all) {
    BindThread bind(*host);
    xc_interface* xch = xc_interface_open(nullptr, nullptr, 0);
    EXPECT_EQ(xc_domain_destroy(xch, domid), 0);
    xc_domaininfo_t info{};
    EXPECT_NE(xc_domain_getinfolist(xch, domid, 1, &info), 1);
    xc_interface_close(xch);
  }
  std::filesystem::remove(path_a);
  std::filesystem::remove(path_b);
}

TEST_F(StockPrograms, TheStockSaveHelperMovesAGuestBetweenTwoHostsInFiles) {
  constexpr uint64_t kSeeds = 200;
  for (uint64_t seed = 1; seed <= kSeeds && !HasFailure(); ++seed) round_trip(folder_, seed);
  fmt::print("{} guests went through libxl-save-helper\n", kSeeds);
}

#endif

}  // namespace
}  // namespace ferry::sim
