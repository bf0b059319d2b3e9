// A PV kernel on the simulated machine, built on the guest half: boots, runs processes on several
// vCPUs, balloons, maps granted frames, suspends and goes on.
//
//   build_domain -> boot -> step step step -> suspend        (the domain is shut down: saved here)
//                                               |
//                     attach -> wake -> step step step       in this domain or in a restored one
//
// All its variables live in the guest's memory, where gs_base of vCPU 0 points: put_away() writes
// them there, attach() finds them in any domain that holds such a guest, restored ones included.
// What it does follows from its seed and from what Xen answers, so two copies of a guest do the
// same. Between two steps the guest is at rest and its memory can be checked.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "sim/kernel/address_space.h"
#include "sim/kernel/current.h"
#include "sim/kernel/kernel_builder.h"
#include "sim/kernel/kernel_machine.h"

namespace ferry::sim {

class SimKernel {
 public:
  // A new guest, booted and running. Throws ferry::Error if the host has no room for it.
  static std::unique_ptr<SimKernel> create(Host& host, const KernelSpec& spec);
  // The guest in that domain, as it left its variables. Throws ferry::Error if there is none.
  static std::unique_ptr<SimKernel> attach(Host& host, DomainNumber domid);

  DomainNumber domid() const { return machine_.domid(); }

  // One thing that a kernel does; a guest whose suspend has ended comes back from it first. False
  // if the domain does not run. Throws KernelCrash.
  bool step();
  // Only comes back from a suspend, if it is in one. False if the domain does not run.
  bool wake_up();
  // That many; stops early if the domain does not run. The variables are in memory afterwards.
  void run(unsigned steps);
  // As the toolstack asks through xenstore: the domain is shut down when this returns.
  void suspend();
  // Writes the variables to the guest's memory. Not while suspended.
  void put_away();

  // Buffers with contents of their own in so many free pages, for a guest whose memory is in use.
  void fill_memory(uint64_t pages);

  // A domain of this host that grants frames to this one: references first to first + count - 1.
  void set_neighbour(DomainNumber domid, uint32_t first, uint32_t count) {
    neighbour_ = {domid, first, count, 0};
  }

  // What is wrong with the guest's memory: pages whose contents are not what they were last set to,
  // page tables that are not what the kernel decided. At most 20 sentences.
  std::vector<std::string> check_memory();
  // Over the contents of all pages that have known ones: the same after a restore.
  uint64_t checksum() const;
  uint64_t ticks() const { return ticks_; }      // steps since it booted
  uint64_t resumes() const { return resumes_; }  // times it woke in a new domain
  uint64_t cancels() const { return cancels_; }  // and in the old one
  bool suspending() const { return suspending_; }
  uint64_t memory_pages() const;  // pfns with memory
  bool is_variables(pfn_t pfn) const { return pfn.raw() - variables_.raw() < variable_pages_; }
  size_t processes() const { return processes_.size(); }

  KernelMachine& machine() { return machine_; }
  GuestHalf& half() { return half_; }
  const std::map<uint32_t, AddressSpace>& spaces() const { return processes_; }
  unsigned vcpus() const { return vcpus_; }

 private:
  struct NeighbourGrants {
    DomainNumber domid = 0;
    uint32_t first = 0, count = 0;
    uint64_t in_use = 0;  // bit of each reference
  };

  SimKernel(Host& host, DomainNumber domid) : machine_(host, domid), half_(machine_) {}

  // sim_kernel.cpp: its life
  void boot(const KernelSpec& spec, const BuiltDomain& built);
  void free_boot_memory(const BuiltDomain& built, uint64_t pages);
  void set_up_vcpus();
  void bring_up(unsigned cpu);
  void wake();
  void park(bool parked);
  template <typename Visitor>
  void visit_state(Visitor& visit);

  // kernel_steps.cpp: what it does
  void act();
  void spawn();
  void fork(AddressSpace& parent);
  void exit_process();
  void switch_to(AddressSpace* space);
  void touch();
  void change_mappings();
  void unmap(AddressSpace& space, uint64_t va);
  void drop_range(AddressSpace& space);
  void drop(uint64_t pfn);
  bool handle_fault(AddressSpace& space, bool write);
  void use_buffer();
  void balloon();
  void exchange_frames();
  void map_foreign();
  void unmap_foreign(pfn_t pfn);
  void grant();
  void write_grants();
  void hotplug_vcpu();
  AddressSpace* some_process();
  bool some_page(PageUse use, pfn_t& pfn);
  void fill(pfn_t pfn, uint64_t content);
  void settle();

  KernelMachine machine_;
  GuestHalf half_;

  std::map<uint32_t, AddressSpace> processes_;               // by pid
  std::array<uint32_t, KernelMachine::kMaxCpus> running_{};  // pid on each vCPU, 0: none
  std::map<uint32_t, uint64_t> grants_;                      // reference to pfn
  std::vector<uint64_t> freed_;  // pages that fall free once no hypercall waits
  uint32_t next_pid_ = 1;
  uint64_t ticks_ = 0, resumes_ = 0, cancels_ = 0;
  unsigned vcpus_ = 1;
  bool suspending_ = false;
  pfn_t variables_;  // first page of them
  uint64_t variable_pages_ = 0;
  pfn_t vcpu_page_;
  std::array<uint64_t, KernelMachine::kMaxCpus> gdt_pages_{};
  NeighbourGrants neighbour_;  // not kept: a new domain has new neighbours
};

}  // namespace ferry::sim
