// ferry find: where in the saved guest's memory is it?
#include <algorithm>
#include <nlohmann/json.hpp>
#include <thread>

#include "config/json_text.h"
#include "error/error.h"
#include "evidence/find.h"
#include "proto/pages.h"
#include "tools/ferry/commands.h"
#include "tools/ferry/guest_address.h"
#include "tools/ferry/output.h"
#include "tools/ferry/reader.h"

namespace ferry {
namespace {

using nlohmann::ordered_json;

constexpr size_t kMostContext = 1024;
constexpr size_t kRecordsForAddresses = 8;  // of at most 4 MiB each, in memory

struct FindArguments {
  std::string file, pattern;
  std::string as = "text";
  uint64_t limit = 0;  // 0: all
  size_t context = 32;
  bool in_virtual_order = false;
  uint32_t vcpu = 0;
  bool user = false;
  std::string root;  // pfn of an L4; empty: the vCPU's
  unsigned threads = std::clamp(std::thread::hardware_concurrency(), 1u, evidence::kMostThreads);
  bool json = false;
  std::vector<std::string> bases;
  bool no_sandbox = false;
};

evidence::Pattern pattern_of(const FindArguments& arguments) {
  if (arguments.as == "utf16") return evidence::Pattern::utf16(arguments.pattern);
  if (arguments.as == "hex") return evidence::Pattern::hex(arguments.pattern);
  if (arguments.as == "regex") return evidence::Pattern::regex(arguments.pattern);
  return evidence::Pattern::text(arguments.pattern);
}

// As in a dump: a dot for what is no letter.
std::string as_letters(std::span<const std::byte> bytes) {
  std::string text;
  for (const std::byte byte : bytes) {
    const char c = static_cast<char>(byte);
    text += c >= ' ' && c <= '~' ? c : '.';
  }
  return text;
}

std::string as_hex(std::span<const std::byte> bytes) {
  std::string text;
  for (const std::byte byte : bytes) text += fmt::format("{:02x}", static_cast<unsigned>(byte));
  return text;
}

class HitPrinter {
 public:
  explicit HitPrinter(const FindArguments& arguments) : arguments_(arguments) {
    if (arguments_.json) print("{\n  \"hits\": [");
  }

  // False once there are enough.
  bool put(const evidence::Hit& hit) {
    ++count_;
    if (arguments_.json)
      print((count_ == 1 ? "\n    " : ",\n    ") + json_of(hit));
    else
      print((hit.vaddr ? fmt::format("{:#018x} ", *hit.vaddr) : std::string()) +
            fmt::format("pfn {:#x} byte {:#05x} |{}|\n", hit.pfn, hit.at, as_letters(hit.around)));
    return count_ != arguments_.limit;
  }
  void finish() const {
    if (!arguments_.json) return;
    print(fmt::format("{}],\n  \"count\": {},\n  \"limited\": {}\n}}\n", count_ == 0 ? "" : "\n  ",
                      count_, arguments_.limit != 0 && count_ == arguments_.limit));
  }

 private:
  static std::string json_of(const evidence::Hit& hit) {
    ordered_json json = {{"pfn", hit.pfn},
                         {"offset_bytes", hit.at},
                         {"length_bytes", hit.bytes},
                         {"kind", v1::PageKind_Name(hit.kind)},
                         {"before_bytes", hit.before},
                         {"hex", as_hex(hit.around)}};
    if (hit.vaddr) json["vaddr"] = fmt::format("{:#x}", *hit.vaddr);
    return json_text(json, -1);
  }

  const FindArguments& arguments_;
  uint64_t count_ = 0;
};

uint64_t root_of(const FindArguments& arguments, const ImageFile& image) {
  if (arguments.root.empty()) return page_table_root(image, arguments.vcpu, arguments.user);
  const uint64_t root = parse_number(arguments.root, "pfn");
  std::vector<PageEntry> part;
  if (root < image.head().nr_pfns()) part = image.read_part(root / kPfnsPerIndexPart);
  if (part.empty() || table_level(part[root % kPfnsPerIndexPart].kind) != 4)
    fail(Errc::usage, "pfn {:#x} is no page table of level 4", root);
  return root;
}

void print_hits(const FindArguments& arguments, const evidence::Pattern& pattern,
                const delta::ImageFiles& file) {
  const ImageFile image = file.open();
  // What follows by address lies anywhere.
  const evidence::GuestPages pages(image, arguments.in_virtual_order ? kRecordsForAddresses : 3);
  const evidence::FindOptions options{.context = arguments.context};
  const uint64_t root = arguments.in_virtual_order ? root_of(arguments, image) : 0;
  HitPrinter printer(arguments);
  const auto put = [&](const evidence::Hit& hit) { return printer.put(hit); };
  if (arguments.in_virtual_order)
    evidence::find_virtual(pages, root, pattern, options, put);
  else
    evidence::find(pages, pattern, options, *make_thread_executor(arguments.threads), put);
  printer.finish();
}

Exit run_find(const FindArguments& arguments) {
  const evidence::Pattern pattern = pattern_of(arguments);
  const delta::ImageFiles file(arguments.file, arguments.bases);
  return print_confined(file, arguments.no_sandbox, [&] { print_hits(arguments, pattern, file); });
}

}  // namespace

void add_find_command(Command ferry, Exit& exit) {
  auto arguments = std::make_shared<FindArguments>();
  Command command = ferry.add_command("find", "Find bytes in the saved guest's memory");
  command.footer(
      "Example: ferry find web1.ferry 'password='\n"
      "         ferry find --as hex web1.ferry 'de ad be ef'\n"
      "         ferry find --as regex --limit 5 web1.ferry 'Linux version [0-9.]+'\n"
      "         ferry find --virtual --vcpu 1 web1.ferry 'password='\n"
      "Goes through the pages in order of pfn, over their borders, and prints what it finds at "
      "once: "
      "pfn,\n"
      "byte of the page, what is around it. Zero pages count where something lies beside them. "
      "ferry "
      "cat\n"
      "prints more of a page. This is the guest's memory: it may hold its secrets.");
  command.add_option("FILE", arguments->file, "Image, or xl save file that holds one").required();
  command.add_option("PATTERN", arguments->pattern, "What to look for, at most 4096 bytes")
      .required();
  command
      .add_option("--as", arguments->as,
                  "What PATTERN is: text|utf16|hex|regex (of bytes, RE2's syntax)")
      .one_of({"text", "utf16", "hex", "regex"})
      .type_name("KIND");
  command.add_option("--limit", arguments->limit, "Stop after so many (default: all)")
      .in_range(uint64_t{1}, UINT64_MAX)
      .type_name("N");
  command.add_option("--context", arguments->context, "Bytes around it (default 32)")
      .in_range(size_t{0}, kMostContext)
      .type_name("BYTES");
  Option in_order = command.add_flag(
      "--virtual", arguments->in_virtual_order,
      "In order of virtual addresses: pages that are neighbours there, wherever they lie");
  Option vcpu =
      command.add_option("--vcpu", arguments->vcpu, "With --virtual: whose page tables (default 0)")
          .type_name("N")
          .needs(in_order);
  Option user =
      command.add_flag("--user", arguments->user, "With --virtual: the vCPU's user page tables")
          .needs(in_order);
  command
      .add_option("--root", arguments->root,
                  "With --virtual: page tables by the pfn of their level 4, such as a process's")
      .type_name("PFN")
      .needs(in_order)
      .excludes(vcpu)
      .excludes(user);
  command.add_option("--threads", arguments->threads, "Worker threads (default: one a core)")
      .in_range(1u, evidence::kMostThreads)
      .type_name("N");
  command.add_flag("--json", arguments->json, "Print JSON");
  add_bases(command, arguments->bases);
  add_no_sandbox(command, arguments->no_sandbox);
  command.callback([arguments, &exit] { exit = run_find(*arguments); });
}

}  // namespace ferry
