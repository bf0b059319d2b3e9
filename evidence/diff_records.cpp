// What is different between two images beside their pages.
#include <fmt/format.h>

#include <algorithm>

#include "audit/layout.h"
#include "error/error.h"
#include "evidence/diff.h"
#include "evidence/vcpus.h"

namespace ferry::evidence {
namespace {

using Values = std::vector<std::pair<std::string, std::string>>;

std::string yes(bool value) {
  return value ? "yes" : "no";
}

Values values_of(const v1::Head& head) {
  return {{"pfns", fmt::format("{}", head.nr_pfns())},
          {"pages with a frame", fmt::format("{}", head.populated_pages())},
          {"highest vCPU", fmt::format("{}", head.max_vcpu_id())},
          {"vCPUs online", fmt::format("{}", head.online_vcpus_size())},
          {"start_info", fmt::format("pfn {:#x}", head.start_info_pfn())},
          {"p2m", head.linear_p2m() ? fmt::format("linear at {:#x}, root pfn {:#x}",
                                                  head.p2m_vaddr(), head.p2m_root_pfn())
                                    : fmt::format("a tree, root pfn {:#x}", head.p2m_root_pfn())},
          {"Xen", fmt::format("{}.{}", head.xen_major(), head.xen_minor())},
          {"saved live", yes(head.live())}};
}

Values values_of(const v1::Tsc& tsc) {
  return {{"TSC mode", fmt::format("{}", tsc.mode())},
          {"TSC kHz", fmt::format("{}", tsc.khz())},
          {"TSC nanoseconds", fmt::format("{}", tsc.nsec())},
          {"TSC incarnation", fmt::format("{}", tsc.incarnation())}};
}

// Both have the same names.
void add_changes(std::vector<ValueChange>& changes, const Values& from, const Values& to) {
  for (size_t i = 0; i < from.size(); ++i)
    if (from[i].second != to[i].second)
      changes.push_back({from[i].first, from[i].second, to[i].second});
}

// The first record of a kind, alone: an image may have any number of any size.
v1::Record first_of(const ImageFile& image, uint32_t kind) {
  v1::Record record;
  image.for_each_other([&](const RawRecord& raw) {
    if (raw.kind != kind) return true;
    record = parse_record(raw);
    return false;
  });
  return record;
}

// Where the record of each vCPU is.
std::map<uint32_t, uint64_t> vcpu_records(const ImageFile& image) {
  std::map<uint32_t, uint64_t> offsets;
  image.for_each_other([&](const RawRecord& raw) {
    if (raw.kind != v1::Record::kVcpuFieldNumber) return true;
    const uint32_t id = parse_record(raw).vcpu().id();
    if (id < audit::kMaxVcpus) offsets.emplace(id, raw.offset);
    return true;
  });
  return offsets;
}

std::vector<std::string> parts_that_differ(const v1::Vcpu& a, const v1::Vcpu& b) {
  std::vector<std::string> parts;
  if (a.basic() != b.basic()) parts.emplace_back("basic");
  if (a.extended() != b.extended()) parts.emplace_back("extended");
  if (a.xsave() != b.xsave()) parts.emplace_back("xsave");
  if (a.msrs() != b.msrs()) parts.emplace_back("msrs");
  return parts;
}

Values values_of(const std::optional<VcpuState>& vcpu) {
  const VcpuState state = vcpu.value_or(VcpuState{});
  const auto hex = [&](uint64_t value) {
    return vcpu ? fmt::format("{:#x}", value) : std::string();
  };
  return {{"in kernel", vcpu ? yes(state.in_kernel) : std::string()},
          {"rip", hex(state.rip)},
          {"rsp", hex(state.rsp)},
          {"cr3 pfn", hex(state.cr3_pfn)},
          {"user cr3 pfn", hex(state.user_cr3_pfn)},
          {"fs base", hex(state.fs_base)},
          {"gs base", hex(state.gs_base_kernel)},
          {"user gs base", hex(state.gs_base_user)}};
}

std::optional<VcpuState> state_in(const std::vector<VcpuState>& all, uint32_t id) {
  const auto found = std::ranges::find(all, id, &VcpuState::id);
  return found == all.end() ? std::nullopt : std::optional(*found);
}

}  // namespace

std::vector<ValueChange> diff_records(const ImageFile& a, const ImageFile& b) {
  std::vector<ValueChange> changes;
  add_changes(changes, values_of(a.head()), values_of(b.head()));
  add_changes(changes, values_of(first_of(a, v1::Record::kTscFieldNumber).tsc()),
              values_of(first_of(b, v1::Record::kTscFieldNumber).tsc()));
  const auto policy = v1::Record::kCpuPolicyFieldNumber, info = v1::Record::kSharedInfoFieldNumber;
  if (first_of(a, policy).cpu_policy().SerializeAsString() !=
      first_of(b, policy).cpu_policy().SerializeAsString())
    changes.push_back({"CPU policy", "one", "another"});
  if (first_of(a, info).shared_info().page() != first_of(b, info).shared_info().page())
    changes.push_back({"shared_info", "one", "another"});
  return changes;
}

std::vector<VcpuChange> diff_vcpus(const ImageFile& a, const ImageFile& b) {
  const auto states_a = read_vcpus(a), states_b = read_vcpus(b);
  const auto records_a = vcpu_records(a), records_b = vcpu_records(b);
  std::map<uint32_t, VcpuChange> changes;
  for (const auto& [id, offset] : records_a) changes[id].in_a = true;
  for (const auto& [id, offset] : records_b) changes[id].in_b = true;
  std::vector<VcpuChange> all;
  for (auto& [id, change] : changes) {
    change.id = id;
    if (change.in_a && change.in_b)
      change.parts = parts_that_differ(parse_record(a.read_record(records_a.at(id))).vcpu(),
                                       parse_record(b.read_record(records_b.at(id))).vcpu());
    if (change.in_a && change.in_b && change.parts.empty()) continue;
    add_changes(change.registers, values_of(state_in(states_a, id)),
                values_of(state_in(states_b, id)));
    all.push_back(std::move(change));
  }
  return all;
}

}  // namespace ferry::evidence
