// ferry inspect: the two ways of printing a summary.
#include "tools/ferry/inspect_text.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "config/json_text.h"
#include "proto/pages.h"
#include "text/human_bytes.h"
#include "text/printable.h"
#include "tools/ferry/config_json.h"

namespace ferry {
namespace {

using audit::Summary;
using nlohmann::ordered_json;

uint64_t memory_bytes(const Summary& summary) {
  return summary.pages_with_frame() * kPageSize;
}

double ratio(uint64_t guest, uint64_t stored) {
  return stored == 0 ? 0 : static_cast<double>(guest) / static_cast<double>(stored);
}

std::string guest_text(const std::string& name, const Summary& summary) {
  const v1::Head& head = summary.head;
  std::string text = fmt::format("guest    {}\n", name.empty() ? "(no name)" : printable(name));
  if (const std::string uuid = uuid_of(summary); !uuid.empty())
    text += fmt::format("uuid     {}\n", uuid);
  text +=
      fmt::format("memory   {} in {} pages, pfns 0 to {:#x}\n", human_bytes(memory_bytes(summary)),
                  summary.pages_with_frame(), head.nr_pfns() - 1);
  text += fmt::format("vCPUs    {} online, ids up to {}\n", head.online_vcpus_size(),
                      head.max_vcpu_id());
  text += head.linear_p2m() ? fmt::format("p2m      linear, at {:#x}, root pfn {:#x}\n",
                                          head.p2m_vaddr(), head.p2m_root_pfn())
                            : fmt::format("p2m      tree, root pfn {:#x}\n", head.p2m_root_pfn());
  text += fmt::format("saved    {} on Xen {}.{}\n", head.live() ? "live" : "while suspended",
                      head.xen_major(), head.xen_minor());
  if (!head.converted_from().empty())
    text += fmt::format("made of  {}\n", printable(head.converted_from()));
  return text;
}

std::string tables_text(const Summary& summary) {
  std::string text = "\npages             pages         in guest           stored    ratio\n";
  for (const audit::PagesOfKind& of : summary.pages_by_kind) {
    const uint64_t guest = of.kind == v1::ABSENT ? 0 : of.pages * kPageSize;
    text +=
        fmt::format("{:<12} {:>10} {:>16} {:>16} {:>8}\n", kind_name(of.kind), of.pages,
                    human_bytes(guest), human_bytes(of.stored_bytes),
                    of.stored_bytes == 0 ? std::string("-")
                                         : fmt::format("{:.2f}", ratio(guest, of.stored_bytes)));
  }
  text += "\nrecords           count            bytes\n";
  for (const audit::RecordsOfKind& of : summary.records_by_kind)
    text += fmt::format("{:<12} {:>10} {:>16}\n", of.kind, of.count, of.bytes);
  text += "\nvCPU      cr3 pfn   user cr3 pfn   GDT entries   XSAVE bytes   MSRs\n";
  for (const audit::VcpuSummary& vcpu : summary.vcpus) {
    auto pfn = [](const std::optional<uint64_t>& value) {
      return value ? fmt::format("{:#x}", *value) : std::string("-");
    };
    text += fmt::format("{:<6} {:>10} {:>14} {:>13} {:>13} {:>6}\n", vcpu.id, pfn(vcpu.cr3_pfn),
                        pfn(vcpu.user_cr3_pfn), vcpu.gdt_entries, vcpu.xsave_bytes, vcpu.msrs);
  }
  return text;
}

ordered_json guest_json(const std::string& name, const Summary& summary) {
  const v1::Head& head = summary.head;
  return {{"name", name.empty() ? ordered_json() : ordered_json(name)},
          {"uuid", uuid_of(summary).empty() ? ordered_json() : ordered_json(uuid_of(summary))},
          {"nr_pfns", head.nr_pfns()},
          {"pages_with_frame", summary.pages_with_frame()},
          {"memory_bytes", memory_bytes(summary)},
          {"guest_width_bytes", head.guest_width()},
          {"pt_levels", head.pt_levels()},
          {"p2m", head.linear_p2m() ? "linear" : "tree"},
          {"p2m_root_pfn", head.p2m_root_pfn()},
          {"p2m_vaddr", fmt::format("{:#x}", head.p2m_vaddr())},
          {"xen_version", fmt::format("{}.{}", head.xen_major(), head.xen_minor())},
          {"live", head.live()},
          {"converted_from",
           head.converted_from().empty() ? ordered_json() : ordered_json(head.converted_from())},
          {"online_vcpus",
           std::vector<uint32_t>(head.online_vcpus().begin(), head.online_vcpus().end())},
          {"max_vcpu_id", head.max_vcpu_id()}};
}

ordered_json vcpus_json(const Summary& summary) {
  auto pfn = [](const std::optional<uint64_t>& value) {
    return value ? ordered_json(*value) : ordered_json();
  };
  ordered_json vcpus = ordered_json::array();
  for (const audit::VcpuSummary& vcpu : summary.vcpus) {
    vcpus.push_back({{"id", vcpu.id},
                     {"cr3_pfn", pfn(vcpu.cr3_pfn)},
                     {"user_cr3_pfn", pfn(vcpu.user_cr3_pfn)},
                     {"gdt_entries", vcpu.gdt_entries},
                     {"xsave_bytes", vcpu.xsave_bytes},
                     {"msrs", vcpu.msrs}});
  }
  return vcpus;
}

ordered_json timeline_json(const v1::Timeline& timeline) {
  return {
      {"started_unix_ms", timeline.started_unix_ms()},
      {"suspended_us", timeline.suspended_us()},
      {"finished_us", timeline.finished_us()},
      {"host", timeline.host()},
      {"round_us", std::vector<uint64_t>(timeline.round_us().begin(), timeline.round_us().end())},
      {"round_pages",
       std::vector<uint64_t>(timeline.round_pages().begin(), timeline.round_pages().end())}};
}

}  // namespace

std::string guest_name(const Summary& summary) {
  if (summary.config && !summary.config->name().empty()) return summary.config->name();
  return text_at(config_of(summary), "/c_info/name");
}

std::string uuid_of(const Summary& summary) {
  if (!summary.config || summary.config->uuid().size() != 16) return {};
  std::string text;
  for (const char byte : summary.config->uuid()) {
    if (text.size() == 8 || text.size() == 13 || text.size() == 18 || text.size() == 23)
      text += '-';
    text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  }
  return text;
}

std::string summary_as_text(const std::string& file, const std::string& name,
                            const Summary& summary) {
  std::string text =
      fmt::format("image    {}: format {}.{}, {} records, {}\n", file, kFormatMajor,
                  summary.head.minor(), summary.records, human_bytes(summary.place.bytes));
  if (summary.place.in_xl_file)
    text += fmt::format("         in {} save file, from byte {}\n",
                        summary.place.of_libvirt ? "libvirt's" : "an xl", summary.place.offset);
  text += guest_text(name, summary);
  text += fmt::format("ratio    {:.2f} (guest memory to image)\n",
                      ratio(memory_bytes(summary), summary.place.bytes));
  if (summary.timeline) {
    text += fmt::format("took     {:.3f} s, suspended after {:.3f} s, on {}\n",
                        static_cast<double>(summary.timeline->finished_us()) / 1e6,
                        static_cast<double>(summary.timeline->suspended_us()) / 1e6,
                        printable(summary.timeline->host()));
  }
  return text + tables_text(summary);
}

std::string summary_as_json(const std::string& file, const std::string& name,
                            const Summary& summary) {
  ordered_json pages = ordered_json::array(), records = ordered_json::array();
  for (const audit::PagesOfKind& of : summary.pages_by_kind) {
    pages.push_back({{"kind", v1::PageKind_Name(of.kind)},
                     {"pages", of.pages},
                     {"guest_bytes", of.kind == v1::ABSENT ? 0 : of.pages * kPageSize},
                     {"stored_bytes", of.stored_bytes}});
  }
  for (const audit::RecordsOfKind& of : summary.records_by_kind)
    records.push_back({{"kind", of.kind}, {"count", of.count}, {"bytes", of.bytes}});
  ordered_json json = {
      {"file", file},
      {"image",
       {{"format_major", kFormatMajor},
        {"format_minor", summary.head.minor()},
        {"offset_bytes", summary.place.offset},
        {"bytes", summary.place.bytes},
        {"records", summary.records},
        {"in_xl_file", summary.place.in_xl_file},
        {"of_libvirt", summary.place.of_libvirt},
        {"guest_to_image_ratio", ratio(memory_bytes(summary), summary.place.bytes)}}},
      {"guest", guest_json(name, summary)},
      {"pages", pages},
      {"records", records},
      {"vcpus", vcpus_json(summary)}};
  if (summary.timeline) json["timeline"] = timeline_json(*summary.timeline);
  return json_text(json) + "\n";
}

}  // namespace ferry
