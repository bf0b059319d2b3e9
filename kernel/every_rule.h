// All cases of Xen's rules that a running guest can ask about.
#pragma once

#include "kernel/rules_cpus.h"
#include "kernel/rules_events.h"
#include "kernel/rules_memory.h"
#include "kernel/rules_tables.h"

namespace ferry {

// On vCPU 0 of a kernel that has booted and done nothing yet. How many cases there were.
template <guest_machine Machine, typename Sink>
unsigned ask_every_rule(guest<Machine>& half, Sink& sink, uint64_t hole, unsigned spare) {
  rule_book<Machine, Sink> book(half, sink, hole, spare);
  vcpu_info_rules(book);
  runstate_rules(book);
  vcpu_start_rules(book);
  timer_rules(book);
  ipi_rules(book);
  virq_rules(book);
  port_rules(book);
  scheduler_rules(book);
  mmu_update_rules(book);
  upper_table_rules(book);
  m2p_rules(book);
  update_va_rules(book);
  emulation_rules(book);
  extended_rules(book);
  descriptor_rules(book);
  exchange_rules(book);
  reservation_rules(book);
  entry_point_rules(book);
  return book.cases();
}

}  // namespace ferry
