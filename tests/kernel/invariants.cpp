// The invariants, one function each.
#include "tests/kernel/invariants.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "error/error.h"
#include "p2m/published.h"

namespace ferry::sim {

namespace {

constexpr uint64_t kInvalid = kInvalidP2mEntry;

// What takes long is looked up for every 17th, beginning elsewhere at each step.
constexpr uint64_t kStride = 17;

class Checker {
 public:
  explicit Checker(SimKernel& kernel)
      : kernel_(kernel),
        machine_(kernel.machine()),
        host_(machine_.host()),
        domain_(machine_.domain()),
        half_(kernel.half()) {
    p2m_.reserve(machine_.pfns());
    for (uint64_t pfn = 0; pfn < machine_.pfns(); ++pfn)
      p2m_.push_back(half_.core.p2m.get(pfn_t(pfn)));
  }

  std::vector<std::string> take() { return std::move(broken_); }

  // Every entry of the p2m is what the page is for, and a frame of the guest's own is its own, for
  // this pfn and no other.
  void p2m_is_a_bijection() {
    std::set<uint64_t> seen;
    for (uint64_t pfn = 0; pfn < machine_.pfns(); ++pfn) {
      const uint64_t entry = p2m_[pfn];
      const PageUse use = machine_.record(pfn_t(pfn)).use;
      const p2m_kind expected = use == PageUse::absent     ? p2m_kind::invalid
                                : use == PageUse::foreign  ? p2m_kind::foreign
                                : use == PageUse::identity ? p2m_kind::identity
                                                           : p2m_kind::own;
      must(p2m_kind_of(entry) == expected, "pfn {:#x} has a p2m entry {:#x}", pfn, entry);
      if (p2m_kind_of(entry) == p2m_kind::identity)
        must(entry == identity_frame(pfn_t(pfn)), "pfn {:#x} is identity to another", pfn);
      if (p2m_kind_of(entry) != p2m_kind::own) continue;
      must(seen.insert(entry).second, "two pfns have frame {:#x}", entry);
      own_frame(pfn, mfn_t(entry));
      must(half_.core.p2m.mfn_to_pfn(mfn_t(entry)) == pfn, "pfn {:#x} is not found back", pfn);
    }
  }
  // Frames of others have no pfn here, but for those that map one to one. Every 17th frame of the
  // host, from the given one on; that no entry names a frame of others is looked up for each.
  void others_frames_have_no_pfn(uint64_t first) {
    for (uint64_t mfn = first % kStride; mfn < host_.state().max_page; mfn += kStride) {
      const mfn_t m(mfn);
      if (host_.valid(m) && host_.frame(m).owner == domain_.domid && !host_.frame(m).special)
        continue;
      must(half_.core.p2m.mfn_to_pfn(m) == (is_identity(mfn) ? mfn : kInvalidPfn),
           "frame {:#x} of others has a pfn", mfn);
    }
  }

  // To Xen and back: an entry stays what it is if the frame is the guest's own, is empty where
  // there is none, and loses P and frame if the frame is another's. Without P it is nobody's.
  void values_survive_the_way_to_xen(uint64_t first) {
    const uint64_t flags = kPteNx | kPteUser | kPteAccessed | kPteAvail | kPtePresent;
    for (uint64_t pfn = first % kStride; pfn < p2m_.size(); pfn += kStride) {
      const uint64_t entry = p2m_[pfn], value = pfn << kPageShift | flags;
      const uint64_t there =
          entry == kInvalid ? 0 : p2m_frame_of(entry).raw() << kPageShift | flags;
      must(half_.core.make_pte_value(value) == there, "pfn {:#x} is written wrongly", pfn);
      if (p2m_kind_of(entry) == p2m_kind::own)
        must(half_.core.pte_val(there) == value, "pfn {:#x} is read back wrongly", pfn);
      if (p2m_kind_of(entry) == p2m_kind::foreign && !is_identity(p2m_frame_of(entry).raw()))
        must(half_.core.pte_val(there) == (flags & ~kPtePresent), "pfn {:#x} is foreign", pfn);
      const uint64_t absent = value & ~kPtePresent;
      must(half_.core.make_pte_value(absent) == absent && half_.core.pte_val(absent) == absent,
           "pfn {:#x}: an entry without P is changed", pfn);
    }
  }

  // What the toolstack reads says the same, both forms if both are there.
  void published_p2m_is_the_p2m() {
    const uint64_t* shared = host_.entries(mfn_t(domain_.shared_info_mfn));
    const uint64_t max_pfn = shared[kSharedInfoMaxPfn / 8];
    for (uint64_t pfn = max_pfn; pfn < p2m_.size(); ++pfn)
      must(p2m_[pfn] == kInvalid, "pfn {:#x} is beyond max_pfn", pfn);
    const uint64_t generation = shared[kSharedInfoP2mGeneration / 8];
    must(generation % 2 == 0, "p2m_generation is odd: {}", generation);
    const uint64_t list_list = shared[kSharedInfoFrameListList / 8];
    const uint64_t cr3 = shared[kSharedInfoP2mCr3 / 8];
    must((list_list != kInvalid && list_list != 0) || cr3 != 0, "no p2m is published");
    if (list_list != kInvalid) check_tree(list_list, max_pfn);
    if (cr3 != 0) check_list(cr3 >> kPageShift, shared[kSharedInfoP2mVaddr / 8], max_pfn);
  }

  // A page that the kernel holds for a page table is one, read-only and pinned by request or by
  // those above; no page table is anything else.
  void page_tables_are_what_the_kernel_believes() {
    for (uint64_t pfn = 0; pfn < machine_.pfns(); ++pfn) {
      const PageRecord& r = machine_.record(pfn_t(pfn));
      const uint64_t entry = p2m_[pfn];
      if (p2m_kind_of(entry) != p2m_kind::own) continue;
      const Frame& f = host_.frame(mfn_t(entry));
      const bool table = f.type_count > 0 && is_page_table(f.type);
      const bool builders = pfn_t(pfn) == half_.core.init_pgd;
      must(r.guest.pinned == table, "page {:#x}: pinned {}, a table {}", pfn, r.guest.pinned,
           table);
      must(r.guest.xen_pinned == (f.pinned && !builders), "page {:#x}: pinned by request", pfn);
      if (table) check_entries(pfn, f.type);
      if (table || r.use == PageUse::gdt)
        must((direct_map_entry(pfn) & kPteRw) == 0, "page {:#x} is writable", pfn);
      if (has_content(r.use) || r.use == PageUse::free)
        must(f.type_count == 0 || f.type == PageType::writable, "page {:#x} is used", pfn);
    }
  }

  // Each vCPU runs on an L4 that the kernel knows of, with the L4 for user mode that goes with it.
  void vcpus_run_on_what_they_were_told() {
    for (unsigned cpu = 0; cpu < kernel_.vcpus(); ++cpu) {
      const Vcpu& v = domain_.vcpus[cpu];
      if (v.down) continue;
      const pfn_t pgd = half_.tables.current_cr3(cpu);
      must(host_.frame(mfn_t(v.guest_table)).type == PageType::l4, "vCPU {}: base", cpu);
      must(host_.m2p(mfn_t(v.guest_table)) == pgd.raw(), "vCPU {} runs on another base", cpu);
      must(machine_.page(pgd).pinned, "vCPU {} runs on a base that is not pinned", cpu);
      const uint64_t user = machine_.page(pgd).user_pgd;
      must(user == kNoPage ? v.guest_table_user == 0 : host_.m2p(mfn_t(v.guest_table_user)) == user,
           "vCPU {} has another user base", cpu);
    }
  }

  // Both L4s of a process say the same of user addresses.
  void l4s_agree() {
    for (const auto& [pid, space] : kernel_.spaces()) {
      const uint64_t pgd = space.pgd().raw(), user_pgd = machine_.page(space.pgd()).user_pgd;
      check_xens_slots(pgd);
      check_xens_slots(user_pgd);
      const uint64_t *kernel = table(pgd), *user = table(user_pgd);
      constexpr uint64_t kCpus = kPteAccessed | kPteDirty | kPteUser;
      for (unsigned slot = 0; slot < kUserSlots; ++slot)
        must((kernel[slot] | kCpus) == (user[slot] | kCpus), "process {}: slot {} differs", pid,
             slot);
    }
  }

  // A process's page tables map what the kernel decided, to the bit; an entry without access holds
  // no P, and the page's number here instead of its frame.
  void processes_map_what_was_decided() {
    for (const auto& [pid, space] : kernel_.spaces())
      for (const std::string& difference : space.differences())
        must(false, "process {}: {}", pid, difference);
  }

  void nothing_was_refused() {
    must(half_.core.calls.failures() == 0, "{} entries of multicalls failed",
         half_.core.calls.failures());
    must(!half_.core.calls.waiting_anywhere(), "hypercalls wait");
  }

  // At a suspend: each present entry of each table is a frame of the guest's own, every L4 is
  // pinned, the rings are named by pfn, and events are off.
  void can_be_saved() {
    for (uint64_t pfn = 0; pfn < machine_.pfns(); ++pfn) {
      if (p2m_kind_of(p2m_[pfn]) != p2m_kind::own) continue;
      const Frame& f = host_.frame(mfn_t(p2m_[pfn]));
      if (f.type_count > 0 && is_page_table(f.type)) check_frames(pfn, f.type);
    }
    for (const auto& [pid, space] : kernel_.spaces())
      must(host_.frame(mfn_t(p2m_[space.pgd().raw()])).pinned, "process {}: L4", pid);
    const uint64_t* start = table(host_.m2p(mfn_t(domain_.vcpus[0].context.user_regs.rdx)));
    for (const uint64_t field : {abi::kStartInfoStoreMfn, abi::kStartInfoConsoleMfn})
      must(start[field / 8] < machine_.pfns(), "start_info names a ring by mfn");
    for (unsigned cpu = 0; cpu < kernel_.vcpus(); ++cpu) must_be_masked(cpu);
  }

 private:
  template <typename... Args>
  void must(bool holds, fmt::format_string<Args...> format, Args&&... args) {
    if (!holds && broken_.size() < 20)
      broken_.push_back(fmt::format(format, std::forward<Args>(args)...));
  }

  // A frame that a pfn of the same number stands for.
  bool is_identity(uint64_t mfn) const {
    return mfn < p2m_.size() && p2m_[mfn] == identity_frame(pfn_t(mfn));
  }

  const uint64_t* table(uint64_t pfn) { return host_.entries(mfn_t(p2m_[pfn])); }

  void own_frame(uint64_t pfn, mfn_t mfn) {
    const bool valid = host_.valid(mfn);
    must(valid && host_.frame(mfn).owner == domain_.domid, "pfn {:#x}: frame of others", pfn);
    must(valid && host_.m2p(mfn) == pfn, "pfn {:#x}: M2P says otherwise", pfn);
  }

  // Nobody but Xen writes them: they are empty, or what Xen has put there, an entry that shows the
  // table itself among it.
  void check_xens_slots(uint64_t pfn) {
    const uint64_t* l4 = table(pfn);
    const bool empty = std::all_of(l4 + kXenL4First, l4 + kXenL4Last + 1,
                                   [](uint64_t entry) { return entry == 0; });
    const uint64_t itself = (l4[kXenL4First + 2] & kPteFrameMask) >> kPageShift;
    must(empty || itself == p2m_[pfn], "L4 {:#x}: Xen's slots are written", pfn);
  }

  uint64_t direct_map_entry(uint64_t pfn) {
    uint64_t mfn = domain_.vcpus[0].guest_table;
    const uint64_t va = machine_.va_of(pfn_t(pfn));
    for (unsigned level = 4;; --level) {
      const uint64_t e = host_.entries(mfn_t(mfn))[va >> (kPageShift + 9 * (level - 1)) & 511];
      if (level == 1 || (e & kPtePresent) == 0) return e;
      mfn = (e & kPteFrameMask) >> kPageShift;
    }
  }

  void check_entries(uint64_t pfn, PageType type) {
    const uint64_t* entries = table(pfn);
    for (unsigned i = 0; i < kEntriesPerTable; ++i) {
      if (type == PageType::l4 && i >= kXenL4First && i <= kXenL4Last) continue;
      if ((entries[i] & kPtePresent) == 0) continue;
      must((entries[i] & (kPtePse | kPtePwt | kPtePcd)) == 0, "table {:#x}, entry {}: flags", pfn,
           i);
    }
  }

  void check_frames(uint64_t pfn, PageType type) {
    const uint64_t* entries = table(pfn);
    for (unsigned i = 0; i < kEntriesPerTable; ++i) {
      if (type == PageType::l4 && i >= kXenL4First && i <= kXenL4Last) continue;
      if ((entries[i] & kPtePresent) == 0) continue;
      const mfn_t mfn((entries[i] & kPteFrameMask) >> kPageShift);
      const uint64_t back = host_.valid(mfn) ? host_.m2p(mfn) : kInvalid;
      must(back < p2m_.size() && p2m_[back] == mfn.raw(),
           "table {:#x}, entry {}: a frame that is not the guest's at its suspend", pfn, i);
    }
  }

  void check_leaf(uint64_t leaf, const uint64_t* entries) {
    for (uint64_t i = 0; i < 512; ++i) {
      const uint64_t pfn = leaf * 512 + i;
      const uint64_t is = pfn < p2m_.size() ? p2m_[pfn] : half_.core.p2m.get(pfn_t(pfn));
      // Identity exists for the guest only: its shared leaf holds ~0 like the missing one.
      must(entries[i] == is || (p2m_kind_of(is) == p2m_kind::identity && entries[i] == kInvalid),
           "published entry of pfn {:#x} is {:#x}", pfn, entries[i]);
    }
  }

  void check_tree(uint64_t list_list, uint64_t max_pfn) {
    for (uint64_t leaf = 0; leaf < (max_pfn + 511) / 512; ++leaf) {
      const uint64_t mid = host_.entries(mfn_t(list_list))[leaf / 512];
      own_frame(host_.m2p(mfn_t(mid)), mfn_t(mid));
      const uint64_t page = host_.entries(mfn_t(mid))[leaf % 512];
      own_frame(host_.m2p(mfn_t(page)), mfn_t(page));
      check_leaf(leaf, host_.entries(mfn_t(page)));
    }
  }

  // A leaf that stands for several ranges is all ~0 and nobody can write it.
  void check_list(uint64_t root, uint64_t va, uint64_t max_pfn) {
    std::map<uint64_t, unsigned> uses;
    std::map<uint64_t, uint64_t> writable;
    for (uint64_t leaf = 0; leaf < (max_pfn + 511) / 512; ++leaf) {
      const uint64_t at = va + leaf * kPageSize;
      uint64_t mfn = root, e = 0;
      for (unsigned level = 4; level >= 1; --level) {
        e = host_.entries(mfn_t(mfn))[at >> (kPageShift + 9 * (level - 1)) & 511];
        must((e & kPtePresent) != 0, "the list has a hole at leaf {}", leaf);
        if ((e & kPtePresent) == 0) return;
        mfn = (e & kPteFrameMask) >> kPageShift;
      }
      ++uses[mfn];
      if (e & kPteRw) writable[mfn] = leaf;
      check_leaf(leaf, host_.entries(mfn_t(mfn)));
    }
    for (const auto& [mfn, leaf] : writable)
      must(uses[mfn] == 1, "leaf {} is shared and writable", leaf);
  }

  void must_be_masked(unsigned cpu) {
    const Vcpu& v = domain_.vcpus[cpu];
    if (!v.initialised || !v.vcpu_info_mfn) return;
    const uint8_t mask = host_.page(mfn_t(v.vcpu_info_mfn))[v.vcpu_info_offset + 1];
    must(mask == 1, "vCPU {} takes events at the suspend", cpu);
  }

  SimKernel& kernel_;
  KernelMachine& machine_;
  Host& host_;
  Domain& domain_;
  GuestHalf& half_;
  std::vector<uint64_t> p2m_;  // as the guest half gives it
  std::vector<std::string> broken_;
};

// The leaves of the p2m that is published now, as far as they can be found: a change can be going
// on.
std::vector<uint64_t> published_leaves(Host& host, const Domain& d) {
  const uint64_t* shared = host.entries(mfn_t(d.shared_info_mfn));
  const uint64_t nr_leaves = (shared[kSharedInfoMaxPfn / 8] + 511) / 512;
  const uint64_t root = shared[kSharedInfoP2mCr3 / 8] >> kPageShift;
  const uint64_t list_list = shared[kSharedInfoFrameListList / 8];
  std::vector<uint64_t> leaves;
  const auto sound = [&](uint64_t mfn) { return mfn != 0 && host.valid(mfn_t(mfn)); };
  for (uint64_t leaf = 0; leaf < nr_leaves; ++leaf) {
    uint64_t mfn = root ? root : list_list;
    for (unsigned level = root ? 4 : 2; level >= 1 && sound(mfn); --level) {
      const unsigned shift = 9 * (level - 1);
      const uint64_t at = root ? (shared[kSharedInfoP2mVaddr / 8] >> kPageShift) + leaf : leaf;
      const uint64_t entry = host.entries(mfn_t(mfn))[at >> shift & 511];
      mfn = root ? (entry & kPteFrameMask) >> kPageShift : entry;
    }
    if (!sound(mfn)) break;
    leaves.push_back(mfn);
  }
  return leaves;
}

}  // namespace

std::vector<std::string> broken_invariants(SimKernel& kernel) {
  const RunningGuest running(kernel.half());
  Checker check(kernel);
  check.p2m_is_a_bijection();
  check.others_frames_have_no_pfn(kernel.ticks());
  check.values_survive_the_way_to_xen(kernel.ticks());
  check.published_p2m_is_the_p2m();
  check.page_tables_are_what_the_kernel_believes();
  check.vcpus_run_on_what_they_were_told();
  check.l4s_agree();
  check.processes_map_what_was_decided();
  check.nothing_was_refused();
  return check.take();
}

std::vector<std::string> broken_at_suspend(SimKernel& kernel) {
  const RunningGuest running(kernel.half());
  Checker check(kernel);
  check.can_be_saved();
  check.p2m_is_a_bijection();
  return check.take();
}

P2mWatch::P2mWatch(SimKernel& kernel)
    : host_(kernel.machine().host()),
      domain_(kernel.machine().domain()),
      leaves_(published_leaves(host_, domain_)),
      generation_(generation()) {
}

uint64_t P2mWatch::generation() const {
  return host_.entries(mfn_t(domain_.shared_info_mfn))[kSharedInfoP2mGeneration / 8];
}

std::string P2mWatch::after_hypercall() const {
  for (const uint64_t leaf : published_leaves(host_, domain_))
    for (uint64_t i = 0; i < 512; ++i) {
      const uint64_t entry = host_.entries(mfn_t(leaf))[i];
      if (p2m_kind_of(entry) != p2m_kind::own) continue;
      if (!host_.valid(mfn_t(entry)) || host_.frame(mfn_t(entry)).owner != domain_.domid)
        return fmt::format("the p2m names frame {:#x} of others", entry);
    }
  return "";
}

std::string P2mWatch::after_step() {
  const std::vector<uint64_t> before = std::exchange(leaves_, published_leaves(host_, domain_));
  const uint64_t was = std::exchange(generation_, generation());
  if (host_.entries(mfn_t(domain_.shared_info_mfn))[kSharedInfoP2mCr3 / 8] == 0) return "";
  if (generation_ % 2 != 0) return "p2m_generation is odd at rest";
  uint64_t changes = before.size() != leaves_.size();
  for (size_t i = 0; i < std::min(before.size(), leaves_.size()); ++i)
    changes += before[i] != leaves_[i];
  if (generation_ - was >= 2 * changes && (changes != 0 || generation_ == was)) return "";
  return fmt::format("p2m_generation went from {} to {} with {} changes of the mapping", was,
                     generation_, changes);
}

GuestTrace::GuestTrace(SimKernel& kernel) {
  Host& host = kernel.machine().host();
  const Domain& d = kernel.machine().domain();
  const RunningGuest running(kernel.half());
  for (uint64_t pfn = 0; pfn < kernel.machine().pfns(); ++pfn) {
    const uint64_t entry = kernel.half().core.p2m.get(pfn_t(pfn));
    values_.push_back(entry);
    const guest_page& page = kernel.machine().page(pfn_t(pfn));
    values_.push_back(page.pinned + 2u * page.xen_pinned + 4u * page.save_pinned);
    if (p2m_kind_of(entry) != p2m_kind::own) continue;
    const Frame& f = host.frame(mfn_t(entry));
    values_.push_back(f.count << 32 | f.type_count << 8 | f.pinned << 1 | f.validated);
    if (kernel.is_variables(pfn_t(pfn))) continue;  // where it counts its suspends
    uint64_t sum = 0;
    for (unsigned i = 0; i < 512; ++i) sum = (sum ^ host.entries(mfn_t(entry))[i]) * 0x100000001b3;
    values_.push_back(sum);
  }
  const uint64_t* shared = host.entries(mfn_t(d.shared_info_mfn));
  values_.insert(values_.end(), shared + kSharedInfoMaxPfn / 8,
                 shared + kSharedInfoP2mGeneration / 8 + 1);
  values_.insert(values_.end(), shared + abi::kSharedInfoEvtchnMask / 8,
                 shared + abi::kSharedInfoEvtchnMask / 8 + abi::kEvtchnWords);
  for (const Port& port : d.ports) values_.push_back(port.status << 8 | port.vcpu);
}

}  // namespace ferry::sim
