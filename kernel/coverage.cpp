// Counting in front of each operation.
#include "kernel/coverage.h"

#include "guest/xen_guest.h"
#include "kernel/console.h"

namespace ferry::kernel {
namespace {

enum Form : unsigned { early, late };

// In front of one operation, in one of its forms.
template <Form form, auto member, typename Function>
struct Counter;
template <Form form, auto member, typename Result, typename... Arguments>
struct Counter<form, member, Result (*)(Arguments...)> {
  static inline Result (*operation)(Arguments...) = nullptr;
  static inline uint64_t calls = 0;
  static Result count(Arguments... arguments) {
    __atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED);
    return operation(arguments...);
  }
};

// Calls visit(name, the counter's type, whether the two forms differ, the operation's place) for
// each.
template <Form form, typename Visit>
void for_each_operation(const Visit& visit) {
  pv_mmu_ops& ops = *xen_mmu_ops();
#define OPERATION(name, differs) \
  visit(#name, Counter<form, &pv_mmu_ops::name, decltype(ops.name)>{}, differs, ops.name)
  OPERATION(read_cr2, true);
  OPERATION(read_cr3, false);
  OPERATION(write_cr3, true);
  OPERATION(pgd_alloc, false);
  OPERATION(pgd_free, false);
  OPERATION(enter_mmap, false);
  OPERATION(exit_mmap, false);
  OPERATION(alloc_pte, true);
  OPERATION(alloc_pmd, true);
  OPERATION(alloc_pud, true);
  OPERATION(release_pte, true);
  OPERATION(release_pmd, true);
  OPERATION(release_pud, true);
  OPERATION(set_pte, true);
  OPERATION(set_pmd, true);
  OPERATION(set_pud, true);
  OPERATION(set_p4d, true);
  OPERATION(ptep_modify_prot_start, false);
  OPERATION(ptep_modify_prot_commit, false);
  OPERATION(pte_val, false);
  OPERATION(pmd_val, false);
  OPERATION(pud_val, false);
  OPERATION(p4d_val, false);
  OPERATION(pgd_val, false);
  OPERATION(make_pte, true);
  OPERATION(make_pmd, false);
  OPERATION(make_pud, false);
  OPERATION(make_p4d, false);
  OPERATION(make_pgd, false);
  OPERATION(flush_tlb_user, false);
  OPERATION(flush_tlb_one_user, false);
  OPERATION(flush_tlb_all, false);
  OPERATION(flush_tlb_one_all, false);
  OPERATION(write_cr2, false);
#undef OPERATION
}

template <Form form>
void count_operations() {
  for_each_operation<form>([](const char*, auto counter, bool, auto& operation) {
    using counter_type = decltype(counter);
    if (operation == counter_type::count) return;
    counter_type::operation = operation;
    operation = counter_type::count;
  });
}

template <Form form>
void say_missing(const char* of_what) {
  unsigned all = 0, called = 0;
  begin_line();
  put("operations in their ");
  put(of_what);
  put(" form, not called:");
  for_each_operation<form>([&](const char* name, auto counter, bool differs, auto&) {
    if (form == early && !differs) return;
    ++all;
    called += counter.calls != 0;
    if (counter.calls == 0) put(" "), put(name);
  });
  put(", called: ");
  put(called);
  put(" of ");
  put(all);
  end_line();
}

}  // namespace

void count_early_operations() {
  count_operations<early>();
}
void count_late_operations() {
  count_operations<late>();
}
void say_coverage() {
  say_missing<early>("early");
  say_missing<late>("late");
}

}  // namespace ferry::kernel
