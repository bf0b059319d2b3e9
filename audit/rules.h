// Every rule an image is judged by. Ids are stable: scripts and tickets name them.
#pragma once

#include <span>
#include <string_view>

namespace ferry::audit {

enum class Severity {
  warning,  // restores on many hosts, or is odd without being wrong
  error,    // the restore would fail, or the guest would not be the one that was saved
};

// What has to be looked at to judge a rule, cheapest first. A level includes those before it.
enum class Level {
  format,     // framing, order and End
  digests,    // every byte: each record's digest, and that its body decodes
  structure,  // the records against each other: pages, p2m, vCPUs, shared_info, start_info
  full,       // the contents of page tables
};

struct Rule {
  std::string_view id;
  Severity severity;
  Level level;
  std::string_view title;        // what must hold
  std::string_view explanation;  // why, and what a restore would do otherwise
};

const char* severity_name(Severity severity);
const char* level_name(Level level);

// All of them, by level and subject.
std::span<const Rule* const> all_rules();

// nullptr if there is none of this id.
const Rule* find_rule(std::string_view id);

namespace rule {
extern const Rule framing, index_unreadable, unknown_record;
extern const Rule digest, body, page_batch;
extern const Rule record_missing, record_repeated, record_order, no_cpu_policy, config_trust;
extern const Rule index_kind, index_record, index_totals, index_others;
extern const Rule page_missing, populated_count, populated_runs, stale_frame_lists;
extern const Rule leaf_list, leaf_kind, stray_leaf, p2m_entry, p2m_absent, p2m_foreign;
extern const Rule p2m_unlisted, p2m_root, p2m_view;
extern const Rule vcpu_missing, vcpu_unexpected, context_size, cr3, user_cr3, user_mode;
extern const Rule address, vm_assist, gdt_entries, gdt_frame, gdt_unused, gdt_descriptor;
extern const Rule ldt, ldt_pages, extended, machine_checks, xsave, xsave_features;
extern const Rule vcpu_msrs, msr_value, cpu_policy_size, cpu_policy_leaf, cpu_policy_msr, tsc_mode;
extern const Rule shared_info_size, shared_info_p2m, shared_info_frame_lists, shared_info_max_pfn;
extern const Rule start_info_page, start_info_head, start_info_store, start_info_console;
extern const Rule start_info_shared_info;
extern const Rule target_range, target_absent, target_type, large_page, reserved_slot;
extern const Rule entry_flags, cache_flags, linear_table, linear_writable, linear_depth;
extern const Rule writable_table, writable_gdt, replaced_table, pin_refused;
}  // namespace rule

}  // namespace ferry::audit
