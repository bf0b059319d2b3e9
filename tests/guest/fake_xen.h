// A small Xen for tests of the guest half: frames with types and counts, page tables that are
// checked, hypercalls, and a record of all that was asked. Strict: what Xen would refuse is
// refused.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "canonicalize/pte.h"
#include "guest/abi.h"
#include "p2m/m2p.h"

namespace ferry {

using Page = std::array<uint64_t, 512>;

// What would crash the guest.
struct GuestCrash : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// A linear address that is not mapped, or not for writing.
struct GuestFault : GuestCrash {
  explicit GuestFault(uint64_t va) : GuestCrash("fault at " + std::to_string(va)) {}
};

class FakeXen {
 public:
  enum Type { none = 0, l1, l2, l3, l4, writable };
  enum Owner { guest, nobody, other_domain, xen_heap };
  struct Frame {
    Page page = {};
    Owner owner = nobody;
    Type type = none;
    uint64_t count = 0;
    bool pinned = false;
  };
  struct Call {
    unsigned cpu, nr;
    int64_t result;
  };
  struct Cpu {
    uint64_t cr3 = 0, user_cr3 = 0;  // mfns
  };

  explicit FakeXen(uint64_t nr_frames) : frames_(nr_frames), m2p_(nr_frames, kInvalidPfn) {}

  // An empty host.
  void reset() {
    std::fill(frames_.begin(), frames_.end(), Frame{});
    std::fill(m2p_.begin(), m2p_.end(), kInvalidPfn);
    cpus_ = {};
    other_refs.clear();
  }

  Frame& frame(uint64_t mfn) { return frames_.at(mfn); }
  uint64_t nr_frames() const { return frames_.size(); }
  uint64_t& m2p(uint64_t mfn) { return m2p_.at(mfn); }
  Cpu& cpu(unsigned n) { return cpus_.at(n); }
  std::vector<Call> calls;
  // After every request that Xen has worked on, also within a batch.
  std::map<uint64_t, uint64_t> flushed;  // address: what its last update_va_mapping was to flush
  std::function<void()> after_request;
  // Result of a hypercall this model does not know: sched_op, vcpu_op and so on.
  std::function<int64_t(unsigned cpu, unsigned nr, const uint64_t* args)> other_calls;
  // Before an entry is replaced: the CPU's chance to set A and D in it.
  std::function<void(uint64_t& entry)> before_update;
  bool guest_has_devices = false;

  // Memory as a vCPU in kernel mode sees it. Page 0 of the M2P is at kM2pVa.
  uint64_t load(unsigned cpu, uint64_t va) {
    if (va >= kM2pVa && va < kM2pVa + 8 * m2p_.size()) return m2p_[(va - kM2pVa) / 8];
    return *at(cpu, va, false);
  }
  void store(unsigned cpu, uint64_t va, uint64_t value) {
    uint64_t* p = at(cpu, va, true);
    if (p != nullptr) {
      *p = value;
      return;
    }
    // A store to a read-only page: emulated if that is an L1 in use, otherwise the guest's fault.
    const uint64_t mfn = translate(cpu, va, false) >> kPageShift & (kFrameLimit - 1);
    if (frame(mfn).type != l1 || frame(mfn).count == 0) throw GuestFault(va);
    if (replace(mfn, va >> 3 & 511, value, false) != 0) throw GuestFault(va);
  }

  int64_t hypercall(unsigned cpu, unsigned nr, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
                    uint64_t a5) {
    const uint64_t args[6] = {a1, a2, a3, a4, a5, 0};
    const int64_t result = dispatch(cpu, nr, args);
    calls.push_back({cpu, nr, result});
    return result;
  }

  // References, as the toolstack and the builder take them.
  int64_t get_type(uint64_t mfn, Type want) {
    if (mfn >= frames_.size() || frame(mfn).owner != guest) return -abi::kEinval;
    Frame& f = frame(mfn);
    if (f.count > 0 && f.type != want) return -abi::kEinval;
    if (f.count++ > 0) return 0;
    f.type = want;
    if (want == writable) return 0;
    const int64_t rc = promote(mfn, want);
    if (rc != 0) f.count = 0;
    return rc;
  }
  void put_type(uint64_t mfn) {
    Frame& f = frame(mfn);
    if (f.count == 0) throw std::logic_error("type count below 0");
    if (--f.count > 0 || f.type == writable) return;
    for (unsigned i = 0; i < 512; ++i)
      if (!xen_slot(level_of(f.type), i)) put_entry(f.type, f.page[i]);
  }
  int64_t pin(uint64_t mfn, Type type) {
    const int64_t rc = get_type(mfn, type);
    if (rc != 0) return rc;
    if (frame(mfn).pinned) {
      put_type(mfn);
      return -abi::kEinval;
    }
    frame(mfn).pinned = true;
    return 0;
  }
  int64_t load_base(uint64_t mfn, uint64_t& base) {
    if (mfn == base) return 0;
    if (mfn != 0) {
      const int64_t rc = get_type(mfn, l4);
      if (rc != 0) return rc;
    }
    const uint64_t old = base;
    base = mfn;
    if (old != 0) put_type(old);
    return 0;
  }

  // The L1 entry for a va, or 0.
  uint64_t translate(unsigned cpu, uint64_t va, bool user) {
    uint64_t table = user ? cpus_[cpu].user_cr3 : cpus_[cpu].cr3;
    if (table == 0) return 0;
    for (unsigned level = 4;; --level) {
      const uint64_t e = frame(table).page[va >> (12 + 9 * (level - 1)) & 511];
      if ((e & kPtePresent) == 0) return 0;
      if (level == 1) return e;
      table = e >> kPageShift & (kFrameLimit - 1);
    }
  }

  // Counts all references anew and compares: is this model itself sound?
  void verify() const {
    std::vector<uint64_t> counts(frames_.size());
    for (const Frame& f : frames_) {
      if (f.count == 0 || f.type < l1 || f.type > l4) continue;
      for (unsigned i = 0; i < 512; ++i) {
        const uint64_t e = f.page[i];
        const uint64_t mfn = e >> kPageShift & (kFrameLimit - 1);
        if ((e & kPtePresent) == 0 || xen_slot(level_of(f.type), i)) continue;
        if (f.type > l1 || ((e & kPteRw) != 0 && frames_[mfn].owner == guest)) ++counts[mfn];
      }
    }
    for (const Cpu& c : cpus_) {
      if (c.cr3 != 0) ++counts[c.cr3];
      if (c.user_cr3 != 0) ++counts[c.user_cr3];
    }
    for (size_t mfn = 0; mfn < frames_.size(); ++mfn) {
      const Frame& f = frames_[mfn];
      if (counts[mfn] + f.pinned + extra_refs(mfn) != f.count)
        throw std::logic_error("type count of frame " + std::to_string(mfn) + " is off");
    }
  }
  std::map<uint64_t, uint64_t> other_refs;  // mfn to writable references held elsewhere

 private:
  static pt_level level_of(Type type) {
    pt_level level = PT_PTE;
    if (type != writable && !pt_level_of(static_cast<unsigned>(type), level))
      throw std::logic_error("not a table");
    return level;
  }
  uint64_t extra_refs(uint64_t mfn) const {
    const auto it = other_refs.find(mfn);
    return it == other_refs.end() ? 0 : it->second;
  }

  uint64_t* at(unsigned cpu, uint64_t va, bool write) {
    if (va % 8 != 0) throw GuestFault(va);
    const uint64_t e = translate(cpu, va, false);
    if ((e & kPtePresent) == 0) throw GuestFault(va);
    if (write && (e & kPteRw) == 0) return nullptr;
    return &frame(e >> kPageShift & (kFrameLimit - 1)).page[va >> 3 & 511];
  }

  uint64_t allowed(Type type) const {
    uint64_t flags = kPtePresent | kPteRw | kPteUser | kPteAccessed | kPteDirty | kPteAvail |
                     kPteAvailHigh | kPteNx;
    if (type == l1) flags |= kPteGlobal;
    if (type == l1 && guest_has_devices) flags |= kPtePwt | kPtePcd | kPtePat;
    return flags;
  }

  // Takes the references of an entry, and edits it as Xen does.
  int64_t get_entry(Type type, uint64_t& e) {
    if ((e & kPtePresent) == 0) return 0;
    if ((e & kPteFlagMask & ~allowed(type)) != 0) return -abi::kEinval;
    const uint64_t mfn = e >> kPageShift & (kFrameLimit - 1);
    if (type > l1) {
      const int64_t rc = get_type(mfn, static_cast<Type>(type - 1));
      if (rc != 0) return rc;
      e |= kPteUser | (type == l4 ? kPteAccessed : 0);
      return 0;
    }
    if (mfn >= frames_.size()) return -abi::kEperm;
    if (frame(mfn).owner != guest && frame(mfn).owner != xen_heap) return -abi::kEbusy;
    if ((e & kPteRw) != 0 && frame(mfn).owner == guest && get_type(mfn, writable) != 0)
      return -abi::kEbusy;
    e |= (e & kPteUser) == 0          ? kPteUser | kPteGuestKernel
         : (e & kPteGuestKernel) == 0 ? kPteGlobal
                                      : 0;
    return 0;
  }
  void put_entry(Type type, uint64_t e) {
    if ((e & kPtePresent) == 0) return;
    const uint64_t mfn = e >> kPageShift & (kFrameLimit - 1);
    if (type > l1 || ((e & kPteRw) != 0 && frame(mfn).owner == guest)) put_type(mfn);
  }

  int64_t promote(uint64_t mfn, Type type) {
    Page& page = frame(mfn).page;
    for (unsigned i = 0; i < 512; ++i) {
      if (xen_slot(level_of(type), i)) {
        page[i] = 0x4e58;  // Xen's own
        continue;
      }
      const int64_t rc = get_entry(type, page[i]);
      if (rc == 0) continue;
      while (i-- > 0)
        if (!xen_slot(level_of(type), i)) put_entry(type, page[i]);
      return rc;
    }
    return 0;
  }

  // One entry of a table in use.
  int64_t replace(uint64_t mfn, unsigned index, uint64_t value, bool preserve_ad) {
    Frame& f = frame(mfn);
    if (xen_slot(level_of(f.type), index)) return -abi::kEinval;
    const int64_t rc = get_entry(f.type, value);
    if (rc != 0) return rc;
    if (before_update) before_update(f.page[index]);
    const uint64_t old = f.page[index];
    f.page[index] = value | (preserve_ad ? old & (kPteAccessed | kPteDirty) : 0);
    put_entry(f.type, old);
    return 0;
  }

  int64_t do_mmu_update(const abi::mmu_update& u) {
    const uint64_t mfn = u.ptr >> kPageShift, how = u.ptr & 7;
    if (mfn >= frames_.size() || frame(mfn).owner != guest) return -abi::kEinval;
    Frame& f = frame(mfn);
    if (how == abi::kMachphysUpdate) {
      m2p_[mfn] = u.val;
      return 0;
    }
    if (how != abi::kNormalPtUpdate && how != abi::kPtUpdatePreserveAd) return -abi::kEnosys;
    const unsigned index = u.ptr >> 3 & 511;
    if (f.count > 0 && f.type != writable)
      return replace(mfn, index, u.val, how == abi::kPtUpdatePreserveAd);
    if (before_update) before_update(f.page[index]);
    const uint64_t old = f.page[index];
    f.page[index] =
        u.val | (how == abi::kPtUpdatePreserveAd ? old & (kPteAccessed | kPteDirty) : 0);
    return 0;
  }

  int64_t do_mmuext(unsigned cpu, const abi::mmuext_op& op) {
    if (op.cmd <= 3) return pin(op.arg1, static_cast<Type>(op.cmd + 1));
    switch (op.cmd) {
      case abi::kUnpinTable:
        if (op.arg1 >= frames_.size() || !frame(op.arg1).pinned) return -abi::kEinval;
        frame(op.arg1).pinned = false;
        put_type(op.arg1);
        return 0;
      case abi::kNewBaseptr:
        return op.arg1 == 0 ? -abi::kEinval : load_base(op.arg1, cpus_.at(cpu).cr3);
      case abi::kNewUserBaseptr:
        return load_base(op.arg1, cpus_.at(cpu).user_cr3);
      case abi::kTlbFlushLocal:
      case abi::kInvlpgLocal:
      case abi::kTlbFlushAll:
      case abi::kInvlpgAll:
        return 0;
      default:
        return -abi::kEnosys;
    }
  }

  int64_t do_update_va_mapping(unsigned cpu, uint64_t va, uint64_t value) {
    uint64_t table = cpus_.at(cpu).cr3;
    for (unsigned level = 4; level > 1; --level) {
      const uint64_t e = frame(table).page[va >> (12 + 9 * (level - 1)) & 511];
      if ((e & kPtePresent) == 0) return -abi::kEinval;
      table = e >> kPageShift & (kFrameLimit - 1);
    }
    return replace(table, va >> 12 & 511, value, false);
  }

  template <typename Request, typename Function>
  int64_t each(const uint64_t* args, const Function& function) {
    const auto* requests = reinterpret_cast<const Request*>(args[0]);
    if (args[3] != abi::kDomidSelf) throw std::logic_error("for another domain");
    for (uint64_t i = 0; i < args[1]; ++i) {
      const int64_t rc = function(requests[i]);
      if (after_request) after_request();
      if (rc != 0) return rc;
    }
    return 0;
  }

  int64_t dispatch(unsigned cpu, unsigned nr, const uint64_t* args) {
    switch (nr) {
      case abi::kMmuUpdate:
        return each<abi::mmu_update>(args, [this](const auto& u) { return do_mmu_update(u); });
      case abi::kMmuextOp:
        return each<abi::mmuext_op>(args, [&](const auto& op) { return do_mmuext(cpu, op); });
      case abi::kUpdateVaMapping: {
        flushed[args[0]] = args[2];
        const int64_t rc = do_update_va_mapping(cpu, args[0], args[1]);
        if (after_request) after_request();
        return rc;
      }
      case abi::kMulticall: {
        auto* entries = reinterpret_cast<abi::multicall_entry*>(args[0]);
        for (uint64_t i = 0; i < args[1]; ++i)
          entries[i].result = static_cast<uint64_t>(hypercall(
              cpu, static_cast<unsigned>(entries[i].op), entries[i].args[0], entries[i].args[1],
              entries[i].args[2], entries[i].args[3], entries[i].args[4]));
        return 0;
      }
      default:
        return other_calls ? other_calls(cpu, nr, args) : -abi::kEnosys;
    }
  }

  std::vector<Frame> frames_;
  std::vector<uint64_t> m2p_;
  std::array<Cpu, 4> cpus_;
};

}  // namespace ferry
