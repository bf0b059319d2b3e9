// The rules in order, by level and subject, and how they and their levels are called.
#include "audit/rules.h"

namespace ferry::audit {

const char* severity_name(Severity severity) {
  return severity == Severity::error ? "error" : "warning";
}

const char* level_name(Level level) {
  switch (level) {
    case Level::format:
      return "format";
    case Level::digests:
      return "digests";
    case Level::structure:
      return "structure";
    case Level::full:
      break;
  }
  return "full";
}

namespace {

constexpr const Rule* kRules[] = {
    &rule::framing,
    &rule::index_unreadable,
    &rule::unknown_record,
    &rule::digest,
    &rule::body,
    &rule::page_batch,
    &rule::record_missing,
    &rule::record_repeated,
    &rule::record_order,
    &rule::no_cpu_policy,
    &rule::config_trust,
    &rule::index_kind,
    &rule::index_record,
    &rule::index_totals,
    &rule::index_others,
    &rule::page_missing,
    &rule::populated_count,
    &rule::populated_runs,
    &rule::stale_frame_lists,
    &rule::leaf_list,
    &rule::leaf_kind,
    &rule::stray_leaf,
    &rule::p2m_entry,
    &rule::p2m_absent,
    &rule::p2m_foreign,
    &rule::p2m_unlisted,
    &rule::p2m_root,
    &rule::vcpu_missing,
    &rule::vcpu_unexpected,
    &rule::context_size,
    &rule::cr3,
    &rule::user_cr3,
    &rule::user_mode,
    &rule::address,
    &rule::vm_assist,
    &rule::gdt_entries,
    &rule::gdt_frame,
    &rule::gdt_unused,
    &rule::ldt,
    &rule::extended,
    &rule::machine_checks,
    &rule::xsave,
    &rule::xsave_features,
    &rule::vcpu_msrs,
    &rule::msr_value,
    &rule::cpu_policy_size,
    &rule::cpu_policy_leaf,
    &rule::cpu_policy_msr,
    &rule::tsc_mode,
    &rule::shared_info_size,
    &rule::shared_info_p2m,
    &rule::shared_info_frame_lists,
    &rule::shared_info_max_pfn,
    &rule::start_info_page,
    &rule::start_info_head,
    &rule::start_info_store,
    &rule::start_info_console,
    &rule::start_info_shared_info,
    &rule::target_range,
    &rule::target_absent,
    &rule::target_type,
    &rule::large_page,
    &rule::reserved_slot,
    &rule::entry_flags,
    &rule::cache_flags,
    &rule::linear_table,
    &rule::linear_writable,
    &rule::linear_depth,
    &rule::writable_table,
    &rule::writable_gdt,
    &rule::replaced_table,
    &rule::pin_refused,
    &rule::p2m_view,
    &rule::gdt_descriptor,
    &rule::ldt_pages,
};

}  // namespace

std::span<const Rule* const> all_rules() {
  return kRules;
}

const Rule* find_rule(std::string_view id) {
  for (const Rule* candidate : kRules)
    if (candidate->id == id) return candidate;
  return nullptr;
}

}  // namespace ferry::audit
