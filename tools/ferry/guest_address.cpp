// Addresses of the saved guest, as commands take them.
#include "tools/ferry/guest_address.h"

#include <fmt/format.h>

#include <charconv>

#include "audit/layout.h"
#include "error/error.h"

namespace ferry {
namespace {

std::optional<uint64_t> number_of(std::string_view text) {
  const bool hex = text.starts_with("0x");
  if (hex) text.remove_prefix(2);
  uint64_t value = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value, hex ? 16 : 10);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

}  // namespace

uint64_t parse_number(const std::string& text, const char* what) {
  const std::optional<uint64_t> value = number_of(text);
  if (!value) fail(Errc::usage, "{} is no {}: say 31 or 0x1f", text, what);
  return *value;
}

PfnRange parse_pfn_range(const std::string& text) {
  PfnRange range;
  if (const size_t dots = text.find(".."); dots != std::string::npos) {
    range.first = parse_number(text.substr(0, dots), "pfn");
    const uint64_t last = parse_number(text.substr(dots + 2), "pfn");
    if (last < range.first) fail(Errc::usage, "the range {} ends before it begins", text);
    range.count = last - range.first + 1;
  } else if (const size_t plus = text.find('+'); plus != std::string::npos) {
    range.first = parse_number(text.substr(0, plus), "pfn");
    range.count = parse_number(text.substr(plus + 1), "number of pages");
  } else {
    range.first = parse_number(text, "pfn");
  }
  return range;
}

uint64_t page_table_root(const ImageFile& image, uint32_t vcpu, bool user) {
  uint64_t offset = 0;
  for (const uint64_t distance : image.index_root().other_offsets()) {
    offset += distance;
    const RawRecord raw = image.read_record(offset);
    if (raw.kind != v1::Record::kVcpuFieldNumber) continue;
    const v1::Record record = parse_record(raw);
    if (record.vcpu().id() != vcpu) continue;
    const auto context = audit::bytes_of(record.vcpu().basic());
    if (context.size() != audit::kVcpuContextBytes)
      fail(Errc::bad_image, "the state of vCPU {} has {} bytes", vcpu, context.size());
    const uint64_t root =
        audit::load_u64(context, user ? audit::kVcpuUserCr3At : audit::kVcpuCr3At);
    if (user && root == 0) fail(Errc::usage, "vCPU {} has no user page tables", vcpu);
    return root >> kPageShift;
  }
  fail(Errc::usage, "the image has no vCPU {}", vcpu);
}

std::string flags_in_words(uint64_t entry, unsigned level) {
  struct Flag {
    unsigned bit;
    const char* name;
  };
  const Flag flags[] = {{0, "P"},   {1, "RW"},      {2, "US"}, {3, "PWT"},
                        {4, "PCD"}, {5, "A"},       {6, "D"},  {7, level == 1 ? "PAT" : "PSE"},
                        {8, "G"},   {52, "kernel"}, {63, "NX"}};
  std::string text;
  for (const Flag& flag : flags)
    if ((entry >> flag.bit & 1) != 0)
      text += fmt::format("{}{}", text.empty() ? "" : " ", flag.name);
  if (const uint64_t available = entry >> 9 & 7; available != 0)
    text += fmt::format(" avail {:#x}", available);
  return text.empty() ? "none" : text;
}

}  // namespace ferry
