// The rest of Xen and the toolstack for tests of the guest half: vCPU operations, event channels,
// grants, memory, and the suspend: saved through the toolstack's own headers (p2m/published.h,
// canonicalize/) and restored on other frames, as a restore on another host does.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "canonicalize/p2m_leaf.h"
#include "canonicalize/table.h"
#include "p2m/published.h"
#include "tests/guest/test_kernel.h"

namespace ferry {

enum class AtSuspend { cancel, new_domain, resume_in_place, refuse };

class FakeDomain {
 public:
  struct Vcpu {
    bool up = true, periodic_timer = true;
    uint64_t info_mfn = 0, info_offset = 0;  // where vcpu_info was placed
    uint64_t runstate = 0;
  };
  struct Port {
    bool virq = false;
    uint32_t number = 0, vcpu = 0;
  };

  FakeDomain(FakeXen& xen, TestKernel& kernel) : xen_(xen), kernel_(kernel) {
    vcpus.resize(TestKernel::kMaxCpus);
    take_xen_frames();
    xen_.other_calls = [this](unsigned cpu, unsigned nr, const uint64_t* a) {
      return call(cpu, nr, a);
    };
    ports[1] = ports[2] = {};
  }

  std::vector<Vcpu> vcpus;
  std::map<uint32_t, Port> ports;  // bound ones; 1 and 2 are the toolstack's
  AtSuspend at_suspend = AtSuspend::cancel;
  std::function<void()> while_suspended;
  std::function<uint64_t(uint64_t pfn)> p2m_entry;  // as the guest has it
  uint32_t features = 1u << abi::kXenfeatMmuPtUpdatePreserveAd;
  bool refuse_placement = false, refuse_populate = false, hvm_shadow = true;
  int64_t already_placed = -abi::kEinval;  // what Xen says of a second vcpu_info; 4.20: -kEbusy
  uint32_t max_grant_frames = 4;
  uint64_t saves = 0;
  std::vector<uint64_t> dying;  // gpas

  // Where Xen keeps a vCPU's vcpu_info: the page and the index of its first word.
  std::pair<uint64_t, uint64_t> info_of(unsigned cpu) const {
    const Vcpu& v = vcpus[cpu];
    return v.info_mfn != 0 ? std::pair(v.info_mfn, v.info_offset / 8)
                           : std::pair(kernel_.shared_info_mfn(), uint64_t{cpu} * 8);
  }
  uint64_t& info(unsigned cpu, uint64_t offset) {
    const auto [mfn, word] = info_of(cpu);
    return xen_.frame(mfn).page[word + offset / 8];
  }
  bool upcall_masked(unsigned cpu) { return (info(cpu, 0) >> 8 & 0xff) != 0; }
  Page& shared_info() { return xen_.frame(kernel_.shared_info_mfn()).page; }
  uint64_t grant_mfn(uint32_t i) const { return grants_.at(i); }
  bool masked(uint32_t port) {
    return (shared_info()[0xa00 / 8 + port / 64] >> port % 64 & 1) != 0;
  }

  // What the guest is, without machine frames: for each pfn its page in pfn form. Fails the test if
  // it could not be saved.
  struct Image {
    std::map<uint64_t, Page> pages;
    std::map<uint64_t, FakeXen::Type> types;
    std::set<uint64_t> pinned, leaves, lists;
    std::vector<std::pair<uint64_t, uint64_t>> bases;  // cr3, user cr3 by pfn; ~0 none
    uint64_t start_info = 0;
    Page shared_info = {};
  };
  Image save(uint64_t start_info_mfn);

 private:
  // Frames by mfn for the p2m reader, and the round trip for the conversions.
  struct Reader {
    FakeXen& xen;
    std::vector<uint64_t> leaves;
    const uint64_t* frame(mfn_t mfn) { return xen.frame(mfn.raw()).page.data(); }
    void leaf(uint64_t, mfn_t mfn) { leaves.push_back(mfn.raw()); }
    void table(unsigned, mfn_t) {}
    uint64_t p2m(uint64_t pfn) const {
      return pfn / 512 < leaves.size() ? xen.frame(leaves[pfn / 512]).page[pfn % 512]
                                       : ~uint64_t{0};
    }
    bool pfn_of(mfn_t mfn, pfn_t& pfn) const {
      if (mfn.raw() >= xen.nr_frames()) return false;
      pfn = pfn_t(xen.m2p(mfn.raw()));
      return p2m(pfn.raw()) == mfn.raw();
    }
  };
  struct NewFrames {
    const std::vector<uint64_t>& mfns;
    bool mfn_of(pfn_t pfn, mfn_t& mfn) const {
      if (pfn.raw() >= mfns.size()) return false;
      mfn = mfn_t(mfns[pfn.raw()]);
      return true;
    }
  };
  using Array = uint64_t[512];
  static Array& array(Page& page) { return *reinterpret_cast<Array*>(page.data()); }

  void restore(Image& image);
  void restore_shared_info(const Image& image);
  void restore_start_info(uint64_t pfn);

  // Xen's own frames: they come after the guest's and shared_info's.
  void take_xen_frames() {
    grants_.clear();
    for (uint64_t mfn = 1; mfn < xen_.nr_frames() && grants_.size() < 8; ++mfn) {
      if (xen_.frame(mfn).owner != FakeXen::other_domain) continue;
      xen_.frame(mfn).owner = FakeXen::xen_heap;
      xen_.frame(mfn).page.fill(0x67617274);
      grants_.push_back(mfn);
    }
  }

  int64_t call(unsigned cpu, unsigned nr, const uint64_t* a) {
    switch (nr) {
      case abi::kXenVersion:
        reinterpret_cast<abi::feature_info*>(a[1])->submap = features;
        return a[0] == abi::kXenverGetFeatures ? 0 : -abi::kEnosys;
      case abi::kVmAssist:
        return 0;
      case abi::kMemoryOp:
        return memory_op(a);
      case abi::kVcpuOp:
        return vcpu_op(cpu, a);
      case abi::kEventChannelOp:
        return event_op(a);
      case abi::kGrantTableOp:
        return grant_op(*reinterpret_cast<abi::gnttab_setup_table*>(a[1]));
      case abi::kHvmOp:
        return hvm_op(a);
      case abi::kSchedOp:
        return suspend(cpu, a);
      default:
        return -abi::kEnosys;
    }
  }

  int64_t memory_op(const uint64_t* a);
  int64_t vcpu_op(unsigned self, const uint64_t* a);
  int64_t event_op(const uint64_t* a);
  int64_t grant_op(abi::gnttab_setup_table& request) {
    if (request.nr_frames > max_grant_frames) {
      request.status = -1;
      return 0;
    }
    for (uint32_t i = 0; i < request.nr_frames; ++i)
      reinterpret_cast<uint64_t*>(request.frame_list)[i] = grants_[i];
    return 0;
  }
  int64_t hvm_op(const uint64_t* a) {
    if (a[0] == abi::kHvmopPagetableDying) {
      if (!hvm_shadow) return -abi::kEinval;
      dying.push_back(reinterpret_cast<const abi::hvm_pagetable_dying*>(a[1])->gpa);
      return 0;
    }
    auto& request = *reinterpret_cast<abi::hvm_get_mem_type*>(a[1]);
    if (request.pfn >= 1000) return -abi::kEinval;
    request.mem_type = request.pfn < 500 ? 0 : abi::kHvmmemMmioDm;
    return 0;
  }
  int64_t suspend(unsigned cpu, const uint64_t* a);

  FakeXen& xen_;
  TestKernel& kernel_;
  std::vector<uint64_t> grants_;
  uint32_t next_port_ = 3;
};

inline int64_t FakeDomain::memory_op(const uint64_t* a) {
  if (a[0] == abi::kXenmemMachphysMapping) {
    *reinterpret_cast<abi::machphys_mapping*>(a[1]) = {kM2pVa, kM2pVa + 8 * xen_.nr_frames(),
                                                       xen_.nr_frames() - 1};
    return 0;
  }
  auto& request = *reinterpret_cast<abi::memory_reservation*>(a[1]);
  uint64_t& frame = *reinterpret_cast<uint64_t*>(request.extent_start);
  if (a[0] == abi::kXenmemDecreaseReservation) {
    if (xen_.frame(frame).count != 0 || xen_.frame(frame).owner != FakeXen::guest) return 0;
    // No p2m entry may name the frame without a mark, and nothing may map it.
    for (uint64_t pfn = 0; pfn < kernel_.nr_pages(); ++pfn)
      EXPECT_NE(p2m_entry(pfn), frame) << "still in the p2m";
    for (uint64_t pfn = 0; pfn < kernel_.nr_pages(); ++pfn)
      if (kernel_.mfns_[pfn] == frame) {
        EXPECT_EQ(xen_.translate(0, kernel_.va_of(pfn_t(pfn)), false), 0u) << "still mapped";
        kernel_.mfns_[pfn] = ~uint64_t{0};
      }
    xen_.frame(frame).owner = FakeXen::nobody;
    xen_.m2p(frame) = kInvalidPfn;
    return 1;
  }
  if (a[0] != abi::kXenmemPopulatePhysmap) return -abi::kEnosys;
  if (refuse_populate) return 0;
  for (uint64_t mfn = xen_.nr_frames() - 1; mfn > 0; --mfn) {
    if (xen_.frame(mfn).owner != FakeXen::nobody) continue;
    xen_.frame(mfn).owner = FakeXen::guest;
    xen_.m2p(mfn) = frame;
    kernel_.mfns_[frame] = mfn;
    frame = mfn;
    return 1;
  }
  return 0;
}

inline int64_t FakeDomain::vcpu_op(unsigned self, const uint64_t* a) {
  if (a[1] >= vcpus.size()) return -abi::kEnoent;
  const unsigned cpu = static_cast<unsigned>(a[1]);
  Vcpu& v = vcpus[cpu];
  switch (a[0]) {
    case abi::kVcpuopUp:
      v.up = true;
      return 0;
    case abi::kVcpuopDown:
      v.up = false;
      return 0;
    case abi::kVcpuopIsUp:
      return v.up;
    case abi::kVcpuopStopPeriodicTimer:
      v.periodic_timer = false;
      return 0;
    case abi::kVcpuopRegisterRunstate:
      v.runstate = reinterpret_cast<const abi::register_runstate*>(a[2])->va;
      return 0;
    case abi::kVcpuopRegisterVcpuInfo: {
      const auto& request = *reinterpret_cast<const abi::register_vcpu_info*>(a[2]);
      if (request.offset > 4096 - 64 || request.offset % 8 != 0) return -abi::kEnxio;
      if (v.info_mfn != 0) return already_placed;
      if ((cpu != self && v.up) || refuse_placement) return -abi::kEinval;
      if (xen_.get_type(request.mfn, FakeXen::writable) != 0) return -abi::kEinval;
      ++xen_.other_refs[request.mfn];
      const auto [from, word] = info_of(cpu);
      for (uint64_t i = 0; i < 8; ++i)
        xen_.frame(request.mfn).page[request.offset / 8 + i] = xen_.frame(from).page[word + i];
      v.info_mfn = request.mfn;
      v.info_offset = request.offset;
      info(cpu, 8) = ~uint64_t{0};
      info(cpu, 0) |= 1;
      return 0;
    }
    default:
      return -abi::kEnosys;
  }
}

inline int64_t FakeDomain::event_op(const uint64_t* a) {
  if (a[0] == abi::kEvtchnopUnmask) {
    const uint32_t port = reinterpret_cast<const abi::evtchn_port*>(a[1])->port;
    if (!ports.contains(port)) return -abi::kEinval;
    shared_info()[0xa00 / 8 + port / 64] &= ~(uint64_t{1} << port % 64);
    return 0;
  }
  if (a[0] == abi::kEvtchnopStatus) {
    auto& request = *reinterpret_cast<abi::evtchn_status*>(a[1]);
    const auto at = ports.find(request.port);
    if (at == ports.end() || request.port <= 2) return 0;
    request.status = at->second.virq ? abi::kEvtchnstatVirq : abi::kEvtchnstatIpi;
    request.vcpu = at->second.vcpu;
    request.virq = at->second.number;
    return 0;
  }
  Port p;
  uint32_t* out;
  if (a[0] == abi::kEvtchnopBindVirq) {
    auto& request = *reinterpret_cast<abi::evtchn_bind_virq*>(a[1]);
    p = {true, request.virq, request.vcpu};
    out = &request.port;
    for (const auto& [port, other] : ports)
      if (other.virq && other.number == p.number && other.vcpu == p.vcpu) return -abi::kEexist;
  } else if (a[0] == abi::kEvtchnopBindIpi) {
    auto& request = *reinterpret_cast<abi::evtchn_bind_ipi*>(a[1]);
    p.vcpu = request.vcpu;
    out = &request.port;
  } else {
    return -abi::kEnosys;
  }
  ports[*out = next_port_++] = p;
  return 0;
}

inline FakeDomain::Image FakeDomain::save(uint64_t start_info_mfn) {
  Image image;
  Reader reader{xen_, {}};
  const published_p2m arch = published_p2m_of(shared_info().data());
  const p2m_read_result p2m =
      read_published_p2m(arch, {.nr_mfns = xen_.nr_frames()}, reader, reader);
  EXPECT_TRUE(p2m.ok()) << text_of(p2m.fault);
  pfn_t pfn;
  for (uint64_t leaf : reader.leaves) {
    EXPECT_TRUE(reader.pfn_of(mfn_t(leaf), pfn)) << "leaf is not the guest's own";
    image.leaves.insert(pfn.raw());
  }
  if (!arch.linear())
    // All of them, also those beyond the guest's end.
    for (uint64_t mfn : xen_.frame(arch.frame_list_list).page)
      if (reader.pfn_of(mfn_t(mfn), pfn)) image.lists.insert(pfn.raw());
  if (!arch.linear() && reader.pfn_of(mfn_t(arch.frame_list_list), pfn))
    image.lists.insert(pfn.raw());
  const auto by_pfn = [&](uint64_t mfn, const char* what) {
    pfn_t p;
    EXPECT_TRUE(reader.pfn_of(mfn_t(mfn), p)) << what;
    return p.raw();
  };
  image.start_info = by_pfn(start_info_mfn, "start_info");
  for (unsigned cpu = 0; cpu < vcpus.size(); ++cpu) {
    const FakeXen::Cpu& c = xen_.cpu(cpu);
    image.bases.emplace_back(by_pfn(c.cr3, "cr3"),
                             c.user_cr3 == 0 ? kNoPage : by_pfn(c.user_cr3, "user cr3"));
  }
  image.shared_info = shared_info();
  for (uint64_t n = 0; n < p2m.nr_pfns; ++n) {
    const uint64_t mfn = reader.p2m(n);
    if (p2m_kind_of(mfn) != p2m_kind::own) continue;
    EXPECT_EQ(by_pfn(mfn, "page"), n);
    FakeXen::Frame& f = xen_.frame(mfn);
    Page page = f.page;
    entry_result r;
    if (f.count > 0 && f.type <= FakeXen::l4) {
      pt_level level{};
      EXPECT_TRUE(pt_level_of(static_cast<unsigned>(f.type), level));
      r = canonicalize_table(level, array(page), array(page), reader);
      image.types[n] = f.type;
      if (f.pinned) image.pinned.insert(n);
    } else if (image.leaves.contains(n)) {
      r = canonicalize_p2m_leaf(array(page), array(page), reader);
    }
    EXPECT_TRUE(r.ok()) << "pfn " << n << " type " << f.type << " index " << r.index << ": "
                        << text_of(r.fault);
    image.pages[n] = page;
  }
  return image;
}

inline void FakeDomain::restore_shared_info(const Image& image) {
  Page& s = shared_info();
  for (uint64_t i = 0; i < 0x800 / 8; ++i) s[i] = image.shared_info[i];
  for (uint64_t i = 0xc10 / 8; i < 0xc40 / 8; ++i) s[i] = image.shared_info[i];
  s[kSharedInfoFrameListList / 8] = 0;
  for (uint64_t i = 0; i < 64; ++i) {
    s[0x800 / 8 + i] = 0;
    s[0xa00 / 8 + i] = ~uint64_t{0};
  }
  for (uint64_t cpu = 0; cpu < 32; ++cpu) s[cpu * 8 + 1] = 0;
}

inline void FakeDomain::restore_start_info(uint64_t pfn) {
  Page& s = kernel_.memory(pfn);
  for (uint64_t field : {abi::kStartInfoStoreMfn, abi::kStartInfoConsoleMfn}) {
    EXPECT_LT(s[field / 8], kernel_.nr_pages()) << "not a pfn";
    s[field / 8] = kernel_.mfns_.at(s[field / 8]);
  }
  s[abi::kStartInfoSharedInfo / 8] = kernel_.shared_info_mfn_ << 12;
  s[abi::kStartInfoFlags / 8] = 0;
  s[abi::kStartInfoStoreEvtchn / 8] = 1;
  s[abi::kStartInfoConsoleEvtchn / 8] = 2;
}

inline void FakeDomain::restore(Image& image) {
  const auto old_cpus = vcpus.size();
  xen_.reset();
  std::vector<uint64_t> absent;
  for (uint64_t pfn = 0; pfn < kernel_.nr_pages(); ++pfn)
    if (!image.pages.contains(pfn)) absent.push_back(pfn);
  kernel_.choose_frames();
  for (uint64_t pfn : absent) {
    xen_.frame(kernel_.mfns_[pfn]).owner = FakeXen::nobody;
    xen_.m2p(kernel_.mfns_[pfn]) = kInvalidPfn;
    kernel_.mfns_[pfn] = ~uint64_t{0};
  }
  take_xen_frames();
  const NewFrames frames{kernel_.mfns_};
  for (auto& [pfn, page] : image.pages) {
    entry_result r;
    if (image.types.contains(pfn)) {
      pt_level level{};
      EXPECT_TRUE(pt_level_of(static_cast<unsigned>(image.types[pfn]), level));
      r = localise_table(level, array(page), array(page), frames);
    } else if (image.leaves.contains(pfn)) {
      r = localise_p2m_leaf(array(page), array(page), frames);
    }
    EXPECT_TRUE(r.ok()) << text_of(r.fault);
    kernel_.memory(pfn) = page;
  }
  restore_shared_info(image);
  restore_start_info(image.start_info);
  vcpus.assign(old_cpus, {});
  ports.clear();
  ports[1] = ports[2] = {};
  next_port_ = 100;
  for (unsigned cpu = 0; cpu < vcpus.size(); ++cpu) {
    const auto [cr3, user] = image.bases[cpu];
    EXPECT_EQ(xen_.load_base(kernel_.mfns_.at(cr3), xen_.cpu(cpu).cr3), 0);
    if (user != kNoPage) {
      EXPECT_EQ(xen_.load_base(kernel_.mfns_.at(user), xen_.cpu(cpu).user_cr3), 0);
    }
  }
  for (uint64_t pfn : image.pinned)
    EXPECT_EQ(xen_.pin(kernel_.mfns_.at(pfn), image.types.at(pfn)), 0) << "pfn " << pfn;
  xen_.verify();
}

inline int64_t FakeDomain::suspend(unsigned cpu, const uint64_t* a) {
  EXPECT_EQ(cpu, 0u);
  EXPECT_EQ(a[0], abi::kSchedopShutdown);
  EXPECT_EQ(*reinterpret_cast<const uint32_t*>(a[1]), abi::kShutdownSuspend);
  if (at_suspend == AtSuspend::refuse) return -abi::kEperm;
  Image image = save(a[2]);
  ++saves;
  if (while_suspended) while_suspended();
  if (at_suspend == AtSuspend::cancel) return 1;
  if (at_suspend == AtSuspend::new_domain) {
    restore(image);
  } else {
    restore_start_info(image.start_info);
    kernel_.memory(image.start_info)[abi::kStartInfoFlags / 8] = 0;
  }
  return 0;
}

}  // namespace ferry
