// The address space of one process of the simulated kernel, kept through the guest half's
// operations (guest/xen_guest.h), and what it should look like.
#pragma once

#include <map>
#include <vector>

#include "sim/kernel/kernel_machine.h"

struct mm_struct;

namespace ferry::sim {

// What the kernel decided for a page of a process; the page tables have to agree.
struct Mapping {
  uint64_t pfn = 0;
  bool writable = false;  // may be written by the process
  bool cow = false;       // but not before it has a copy of its own
  bool hidden = false;    // no access at all: the entry is not present and keeps the pfn
};

class AddressSpace {
 public:
  explicit AddressSpace(KernelMachine& machine) : machine_(&machine) {}

  // An empty one. False if memory ran out.
  [[nodiscard]] bool create();
  pfn_t pgd() const { return pgd_; }
  bool pinned() const { return machine_->page(pgd_).pinned; }
  void pin();

  // Each in the table of pfn and flags that `mapping` says. False if there is no memory for the
  // page tables: nothing is mapped then.
  [[nodiscard]] bool map(uint64_t va, const Mapping& mapping);
  // Of what is mapped: other flags, or another page.
  void change(uint64_t va, const Mapping& mapping);
  // As mprotect does: accessed and dirty bits that the CPU sets meanwhile survive.
  void protect(uint64_t va, const Mapping& mapping);
  void unmap(uint64_t va);
  // The L1 table behind va and everything that it maps; what was mapped.
  std::vector<uint64_t> drop_l1(uint64_t va);
  // The end: no vCPU is left on it, it is unpinned, its page tables are given back.
  void destroy();
  // Gives back the page tables that fell out of use; not while hypercalls wait.
  void settle();

  const std::map<uint64_t, Mapping>& mappings() const { return mappings_; }
  const Mapping* find(uint64_t va) const;

  // How page tables, read without the guest half's help, differ from what was decided; empty if
  // they do not.
  std::vector<std::string> differences() const;

  template <typename Visitor>
  void visit_state(Visitor& visit) {
    visit(pgd_), visit(mappings_), visit(tables_);
  }

 private:
  struct TableKey {
    uint64_t level, part;  // part: the bits of va that select the table
    friend auto operator<=>(const TableKey&, const TableKey&) = default;
  };
  static TableKey key_of(uint64_t va, unsigned level) {
    return {level, va >> (kPageShift + 9 * level)};
  }

  mm_struct mm() const;
  uint64_t entry_of(uint64_t va, unsigned level) const;
  bool make_tables(uint64_t va);
  bool make_table(uint64_t va, unsigned level);
  void link(uint64_t va, unsigned level, uint64_t value);
  uint64_t value_of(const Mapping& mapping) const;
  void read_back(uint64_t table, unsigned level, uint64_t va,
                 std::map<uint64_t, Mapping>& seen) const;

  KernelMachine* machine_;
  pfn_t pgd_;
  std::map<uint64_t, Mapping> mappings_;
  std::map<TableKey, uint64_t> tables_;  // to the table's pfn
  std::vector<uint64_t> unused_;
};

}  // namespace ferry::sim
