// What the guest is and how it was saved.
#include "html/facts.h"

#include <fmt/chrono.h>

#include "html/escape.h"
#include "proto/record.h"
#include "text/human_bytes.h"

namespace ferry::html {
namespace {

// "2026-11-24 17:23:09 UTC", if it is a year of four digits.
std::string moment(uint64_t unix_ms) {
  constexpr uint64_t kYear10000 = 253'402'300'800;
  const uint64_t seconds = unix_ms / 1000;
  if (seconds >= kYear10000) return "at no time that makes sense";
  return fmt::format("{:%Y-%m-%d %H:%M:%S} UTC", fmt::gmtime(static_cast<std::time_t>(seconds)));
}

double seconds(uint64_t us) {
  return static_cast<double>(us) / 1e6;
}

class Facts {
 public:
  void add(std::string_view name, const std::string& value, bool is_long = false) {
    if (!value.empty())
      html_ += fmt::format("<div{}><dt>{}</dt><dd>{}</dd></div>\n",
                           is_long ? " class=\"long\"" : "", name, escaped(value));
  }
  std::string html() const { return "<dl class=\"facts\">\n" + html_ + "</dl>\n"; }

 private:
  std::string html_;
};

std::string online(const v1::Head& head) {
  return fmt::format("{} online, ids up to {}", head.online_vcpus_size(), head.max_vcpu_id());
}

std::string p2m(const v1::Head& head) {
  if (!head.linear_p2m()) return fmt::format("tree, root pfn {:#x}", head.p2m_root_pfn());
  return fmt::format("linear at {:#x}, root pfn {:#x}", head.p2m_vaddr(), head.p2m_root_pfn());
}

void add_timeline(const v1::Timeline& line, bool live, Facts& facts) {
  facts.add("Begun", moment(line.started_unix_ms()));
  facts.add("On host", line.host());
  facts.add("Took", fmt::format("{:.3f} s", seconds(line.finished_us())));
  if (live && line.finished_us() >= line.suspended_us())
    facts.add("Suspended", fmt::format("for the last {:.3f} s, until the image was written",
                                       seconds(line.finished_us() - line.suspended_us())));
}

}  // namespace

std::string facts(const Report& report) {
  const audit::Summary& summary = report.summary;
  const v1::Head& head = summary.head;
  const uint64_t bytes = summary.pages_with_frame() * kPageSize;
  Facts facts;
  facts.add("Kernel", report.census ? report.census->banner : std::string(), true);
  facts.add("Memory", fmt::format("{} in {} pages, pfns 0 to {:#x}", human_bytes(bytes),
                                  grouped(summary.pages_with_frame()), head.nr_pfns() - 1));
  facts.add("vCPUs", online(head));
  facts.add("p2m", p2m(head));
  facts.add("uuid", report.uuid);
  facts.add("Saved", fmt::format("{} on Xen {}.{}", head.live() ? "live" : "while suspended",
                                 head.xen_major(), head.xen_minor()));
  facts.add("Made of", head.converted_from());
  if (summary.timeline) add_timeline(*summary.timeline, head.live(), facts);
  facts.add("Image",
            fmt::format("{}, {:.2f} times smaller than the memory, format {}.{}{}",
                        human_bytes(summary.place.bytes),
                        static_cast<double>(bytes) / static_cast<double>(summary.place.bytes),
                        kFormatMajor, head.minor(),
                        summary.place.of_libvirt   ? ", in libvirt's save file"
                        : summary.place.in_xl_file ? ", in an xl save file"
                                                   : ""));
  return facts.html();
}

}  // namespace ferry::html
