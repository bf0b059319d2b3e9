// Debian's unmodified libxenctrl on a simulated host.
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstring>

#include "sim/machine/frame_pool.h"
#include "sim/seam/binding.h"

extern "C" {
#include <xenforeignmemory.h>
#include <xenguest.h>
}

namespace ferry::sim {
namespace {

class Seam : public ::testing::Test {
 protected:
  void SetUp() override {
    host_ = Host::create({.seed = 7, .frames = 4096});
    binding_ = std::make_unique<BindThread>(*host_);
    xch_ = xc_interface_open(nullptr, nullptr, 0);
    ASSERT_NE(xch_, nullptr);
  }
  void TearDown() override {
    xc_interface_close(xch_);
    EXPECT_EQ(seam_usage(), SeamUsage{});
  }

  uint32_t create(unsigned vcpus = 1) {
    xen_domctl_createdomain config{};
    config.max_vcpus = vcpus;
    config.max_evtchn_port = 1023;
    config.max_grant_frames = 4;
    config.max_maptrack_frames = 0;
    config.grant_opts = 1;
    uint32_t domid = 0;
    EXPECT_EQ(xc_domain_create(xch_, &domid, &config), 0);
    EXPECT_EQ(xc_domain_max_vcpus(xch_, domid, vcpus), 0);
    return domid;
  }

  std::unique_ptr<Host> host_;
  std::unique_ptr<BindThread> binding_;
  xc_interface* xch_ = nullptr;
};

TEST_F(Seam, DomainZeroExistsAndIsPv) {
  xc_domaininfo_t info{};
  ASSERT_EQ(xc_domain_getinfolist(xch_, 0, 1, &info), 1);
  EXPECT_EQ(info.domain, 0u);
  EXPECT_EQ(info.flags & XEN_DOMINF_hvm_guest, 0u);
}

TEST_F(Seam, ANewDomainStartsPausedAndEmpty) {
  const uint32_t domid = create(2);
  xc_domaininfo_t info{};
  ASSERT_EQ(xc_domain_getinfolist(xch_, domid, 1, &info), 1);
  EXPECT_EQ(info.domain, domid);
  EXPECT_NE(info.flags & XEN_DOMINF_paused, 0u);
  EXPECT_EQ(info.tot_pages, 0u);
  EXPECT_EQ(info.max_vcpu_id, 1u);
  unsigned width = 0;
  EXPECT_EQ(xc_domain_get_guest_width(xch_, domid, &width), 0);
  EXPECT_EQ(width, 8u);
  EXPECT_EQ(xc_domain_destroy(xch_, domid), 0);
  EXPECT_NE(xc_domain_getinfolist(xch_, domid, 1, &info), 1);
}

// A failing page once left a hole in it that the caller ran into.
TEST_F(Seam, AResourceIsMappedWholeOrNotAtAll) {
  const uint32_t domid = create();
  xenforeignmemory_handle* memory = xenforeignmemory_open(nullptr, 0);
  const auto map = [&](void*& at) {
    return xenforeignmemory_map_resource(memory, static_cast<::domid_t>(domid),
                                         XENMEM_resource_grant_table, 0, 0, 2, &at,
                                         PROT_READ | PROT_WRITE, 0);
  };
  for (uint64_t page = 1; page <= 2; ++page) {
    void* at = nullptr;
    host_->faults().clear();
    host_->faults().fail_nth(CallKind::map_foreign_page, page, ENOMEM);
    EXPECT_EQ(map(at), nullptr);
    EXPECT_EQ(errno, ENOMEM);
  }
  host_->faults().clear();
  void* at = nullptr;
  xenforeignmemory_resource_handle* resource = map(at);
  ASSERT_NE(resource, nullptr);
  static_cast<char*>(at)[2 * ferry::kPageSize - 1] = 1;
  EXPECT_EQ(xenforeignmemory_unmap_resource(memory, resource), 0);
  xenforeignmemory_close(memory);
  EXPECT_EQ(xc_domain_destroy(xch_, domid), 0);
}

TEST_F(Seam, PopulatedMemoryCanBeMappedAndKeepsWhatIsWritten) {
  const uint32_t domid = create();
  ASSERT_EQ(xc_domain_setmaxmem(xch_, domid, 64 * 4), 0);
  xen_pfn_t frames[32];
  for (unsigned i = 0; i < 32; ++i) frames[i] = 100 + i;
  ASSERT_EQ(xc_domain_populate_physmap_exact(xch_, domid, 32, 0, 0, frames), 0);
  for (unsigned i = 0; i < 32; ++i) EXPECT_EQ(host_->m2p(mfn_t(frames[i])), 100 + i);

  auto* fmem = xc_interface_fmem_handle(xch_);
  auto* p = static_cast<char*>(
      xenforeignmemory_map(fmem, domid, PROT_READ | PROT_WRITE, 32, frames, nullptr));
  ASSERT_NE(p, nullptr);
  for (unsigned i = 0; i < 32; ++i) memset(p + i * 4096, static_cast<int>(i), 4096);
  ASSERT_EQ(munmap(p, 32 * 4096), 0);
  p = static_cast<char*>(xenforeignmemory_map(fmem, domid, PROT_READ, 32, frames, nullptr));
  ASSERT_NE(p, nullptr);
  for (unsigned i = 0; i < 32; ++i) EXPECT_EQ(p[i * 4096 + 4095], static_cast<char>(i));
  EXPECT_EQ(xenforeignmemory_unmap(fmem, p, 32), 0);
  for (const xen_pfn_t frame : frames) EXPECT_EQ(host_->frame(mfn_t(frame)).count, 1u);
  EXPECT_EQ(xc_domain_destroy(xch_, domid), 0);
}

TEST_F(Seam, AMappingCanBeUnmappedInPieces) {
  const uint32_t domid = create();
  xen_pfn_t frames[8];
  for (unsigned i = 0; i < 8; ++i) frames[i] = i;
  ASSERT_EQ(xc_domain_populate_physmap_exact(xch_, domid, 8, 0, 0, frames), 0);
  auto* p = static_cast<char*>(
      xenforeignmemory_map(xc_interface_fmem_handle(xch_), domid, PROT_READ, 8, frames, nullptr));
  ASSERT_NE(p, nullptr);
  ASSERT_EQ(munmap(p + 2 * 4096, 3 * 4096), 0);
  for (unsigned i = 0; i < 8; ++i)
    EXPECT_EQ(host_->frame(mfn_t(frames[i])).count, i >= 2 && i < 5 ? 1u : 2u) << i;
  ASSERT_EQ(munmap(p, 8 * 4096), 0);
  for (const xen_pfn_t frame : frames) EXPECT_EQ(host_->frame(mfn_t(frame)).count, 1u);
  EXPECT_EQ(xc_domain_destroy(xch_, domid), 0);
}

TEST_F(Seam, AFrameThatSomebodyMapsOutlivesItsDomain) {
  const uint32_t domid = create();
  xen_pfn_t frame = 5;
  ASSERT_EQ(xc_domain_populate_physmap_exact(xch_, domid, 1, 0, 0, &frame), 0);
  void* p =
      xenforeignmemory_map(xc_interface_fmem_handle(xch_), domid, PROT_READ, 1, &frame, nullptr);
  ASSERT_NE(p, nullptr);
  const uint64_t free_pages = host_->state().free_pages;
  EXPECT_EQ(xc_domain_destroy(xch_, domid), 0);
  xc_domaininfo_t info{};
  ASSERT_EQ(xc_domain_getinfolist(xch_, domid, 1, &info), 1);
  EXPECT_NE(info.flags & XEN_DOMINF_dying, 0u);
  ASSERT_EQ(munmap(p, 4096), 0);
  EXPECT_NE(xc_domain_getinfolist(xch_, domid, 1, &info), 1);
  EXPECT_GT(host_->state().free_pages, free_pages);
}

TEST_F(Seam, PopulateStopsAtTheDomainsLimit) {
  const uint32_t domid = create();
  ASSERT_EQ(xc_domain_setmaxmem(xch_, domid, 4 * 4), 0);
  xen_pfn_t frames[8] = {0, 1, 2, 3, 4, 5, 6, 7};
  EXPECT_EQ(xc_domain_populate_physmap(xch_, domid, 8, 0, 0, frames), 4);
  EXPECT_EQ(xc_domain_populate_physmap_exact(xch_, domid, 1, 0, 0, frames + 7), -1);
  EXPECT_EQ(errno, EBUSY);
  EXPECT_EQ(xc_domain_destroy(xch_, domid), 0);
}

TEST_F(Seam, ARefusedPageIsReportedByItself) {
  const uint32_t domid = create(), other = create();
  xen_pfn_t frames[3] = {0, 1, 2}, foreign = 0;
  ASSERT_EQ(xc_domain_populate_physmap_exact(xch_, domid, 3, 0, 0, frames), 0);
  ASSERT_EQ(xc_domain_populate_physmap_exact(xch_, other, 1, 0, 0, &foreign), 0);
  frames[1] = foreign;
  int err[3] = {};
  auto* fmem = xc_interface_fmem_handle(xch_);
  void* p = xenforeignmemory_map(fmem, domid, PROT_READ, 3, frames, err);
  ASSERT_NE(p, nullptr);
  EXPECT_EQ(err[0], 0);
  EXPECT_LT(err[1], 0);
  EXPECT_EQ(err[2], 0);
  EXPECT_EQ(xenforeignmemory_unmap(fmem, p, 3), 0);
  EXPECT_EQ(xenforeignmemory_map(fmem, domid, PROT_READ, 3, frames, nullptr), nullptr);
  EXPECT_EQ(xc_domain_destroy(xch_, domid), 0);
  EXPECT_EQ(xc_domain_destroy(xch_, other), 0);
}

TEST_F(Seam, APlannedFaultHitsExactlyTheCallThatWasNamed) {
  const uint32_t domid = create();
  host_->faults().clear();
  host_->faults().fail_nth(CallKind::domctl_life, 2, EOVERFLOW);
  EXPECT_EQ(xc_domain_pause(xch_, domid), 0);
  EXPECT_EQ(xc_domain_pause(xch_, domid), -1);
  EXPECT_EQ(errno, EOVERFLOW);
  EXPECT_EQ(xc_domain_pause(xch_, domid), 0);
  EXPECT_EQ(host_->faults().failures(), 1u);
  EXPECT_EQ(xc_domain_destroy(xch_, domid), 0);
}

TEST(SeamWithoutHost, ThereIsNoXen) {
  EXPECT_EQ(xc_interface_open(nullptr, nullptr, 0), nullptr);
  EXPECT_EQ(seam_usage(), SeamUsage{});
}

}  // namespace
}  // namespace ferry::sim
