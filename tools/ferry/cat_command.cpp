// ferry cat: the contents of pages of the saved guest.
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "config/json_text.h"
#include "proto/pages.h"
#include "tools/ferry/commands.h"
#include "tools/ferry/guest_address.h"
#include "tools/ferry/output.h"
#include "tools/ferry/reader.h"

namespace ferry {
namespace {

using nlohmann::ordered_json;

struct CatArguments {
  std::string file;
  std::string pfns;
  std::string vaddr;
  uint64_t length = 0;
  uint32_t vcpu = 0;
  bool user = false;
  bool hex = false;
  bool raw = false;
  bool json = false;
  std::vector<std::string> bases;
  bool no_sandbox = false;
};

// A piece of one page, at the address that it was asked for.
struct Piece {
  uint64_t address;  // virtual, or pfn << 12
  uint64_t pfn;
  v1::PageKind kind;
  std::span<const std::byte> bytes;
};

class Printer {
 public:
  Printer(bool json, bool hex) : json_(json), hex_(hex) {}

  void put(const Piece& piece) {
    if (json_) {
      pages_.push_back({{"address", fmt::format("{:#x}", piece.address)},
                        {"pfn", piece.pfn},
                        {"kind", v1::PageKind_Name(piece.kind)},
                        {"hex", plain_hex(piece.bytes)}});
    } else if (hex_) {
      print(dump(piece));
    } else {
      print({reinterpret_cast<const char*>(piece.bytes.data()), piece.bytes.size()});
    }
  }
  void finish() {
    if (json_) print(json_text({{"pages", pages_}}) + "\n");
  }

 private:
  static std::string plain_hex(std::span<const std::byte> bytes) {
    std::string text;
    for (const std::byte byte : bytes) text += fmt::format("{:02x}", static_cast<unsigned>(byte));
    return text;
  }
  static std::string dump(const Piece& piece) {
    std::string text;
    for (size_t at = 0; at < piece.bytes.size(); at += 16) {
      const auto line = piece.bytes.subspan(at, std::min<size_t>(16, piece.bytes.size() - at));
      std::string readable;
      text += fmt::format("{:016x} ", piece.address + at);
      for (size_t i = 0; i < 16; ++i) {
        if (i % 8 == 0) text += ' ';
        text += i < line.size() ? fmt::format("{:02x} ", static_cast<unsigned>(line[i])) : "   ";
        const char c = i < line.size() ? static_cast<char>(line[i]) : '\0';
        if (i < line.size()) readable += c >= ' ' && c <= '~' ? c : '.';
      }
      text += fmt::format(" |{}|\n", readable);
    }
    return text;
  }

  bool json_, hex_;
  ordered_json pages_ = ordered_json::array();
};

class Pages {
 public:
  explicit Pages(const delta::ImageFiles& file)
      : image_(file.open()), map_(audit::PageMap::load(image_)), reader_(image_, map_) {}

  const ImageFile& image() const { return image_; }
  audit::Walker walker() { return {reader_, map_}; }
  v1::PageKind kind(uint64_t pfn) const { return map_.kind(pfn); }

  // Throws Error(usage) if the guest has no memory there.
  std::span<const std::byte, kPageSize> read(uint64_t pfn) {
    if (pfn >= map_.size() || !map_.populated(pfn))
      fail(Errc::usage, "pfn {:#x} has no contents: it is {}", pfn, audit::describe(map_, pfn));
    page_.fill(std::byte{0});
    if (has_data(map_.kind(pfn)) && !reader_.read(pfn, page_))
      fail(Errc::bad_image, "the index does not lead to pfn {:#x}", pfn);
    return page_;
  }

 private:
  ImageFile image_;
  audit::PageMap map_;
  audit::PageReader reader_;
  std::array<std::byte, kPageSize> page_{};
};

void cat_pfns(Pages& pages, const PfnRange& range, Printer& printer) {
  if (range.count == 0 || range.first + range.count < range.first)
    fail(Errc::usage, "that range has no pages");
  for (uint64_t i = 0; i < range.count; ++i) {
    const uint64_t pfn = range.first + i;
    const auto page = pages.read(pfn);
    printer.put({pfn << kPageShift, pfn, pages.kind(pfn), page});
  }
}

void cat_addresses(Pages& pages, const CatArguments& arguments, Printer& printer) {
  uint64_t at = parse_number(arguments.vaddr, "virtual address");
  uint64_t left = arguments.length != 0 ? arguments.length : kPageSize - at % kPageSize;
  audit::Walker walker = pages.walker();
  const uint64_t root = page_table_root(pages.image(), arguments.vcpu, arguments.user);
  while (left > 0) {
    const audit::Walk walk = walker.walk(root, at);
    if (!walk.pfn) fail(Errc::usage, "{:#x} leads nowhere: {}", at, walk.fault);
    const uint64_t here = std::min(left, kPageSize - at % kPageSize);
    const std::span<const std::byte> page = pages.read(*walk.pfn);
    printer.put({at, *walk.pfn, pages.kind(*walk.pfn), page.subspan(at % kPageSize, here)});
    at += here;
    left -= here;
  }
}

Exit run_cat(const CatArguments& arguments) {
  if (arguments.pfns.empty() == arguments.vaddr.empty())
    fail(Errc::usage, "cat needs either PFNS or --vaddr (ferry cat --help says more)");
  constexpr uint64_t kMostJson = 4 << 20;  // bytes: they are put together in memory
  const PfnRange range = arguments.vaddr.empty() ? parse_pfn_range(arguments.pfns) : PfnRange{};
  if (arguments.json && (range.count > kMostJson / kPageSize || arguments.length > kMostJson))
    fail(Errc::usage, "--json prints at most {} bytes at once", kMostJson);
  const delta::ImageFiles file(arguments.file, arguments.bases);
  // Inside, no terminal can be told from a file.
  const bool hex = arguments.hex || (!arguments.raw && ::isatty(STDOUT_FILENO) == 1);
  return print_confined(file, arguments.no_sandbox, [&] {
    Pages pages(file);
    Printer printer(arguments.json, hex);
    if (arguments.vaddr.empty())
      cat_pfns(pages, range, printer);
    else
      cat_addresses(pages, arguments, printer);
    printer.finish();
  });
}

}  // namespace

void add_cat_command(Command ferry, Exit& exit) {
  auto arguments = std::make_shared<CatArguments>();
  Command command = ferry.add_command("cat", "Print pages of the saved guest");
  command.footer(
      "Example: ferry cat web1.ferry 0x1f..0x22 >pages.bin\n"
      "         ferry cat --vaddr 0xffffffff82000000 --length 64 --hex web1.ferry\n"
      "Bytes go out as they are, or as a dump on a terminal or with --hex. Page tables are in pfn\n"
      "form. This is the guest's memory: it may hold its secrets.");
  command.add_option("FILE", arguments->file, "Image, or xl save file that holds one").required();
  command.add_option("PFNS", arguments->pfns, "A pfn, a range 7..9, or 7+3 for three from 7 on");
  command.add_option("--vaddr", arguments->vaddr, "Print from this virtual address on")
      .type_name("ADDRESS");
  command.add_option("--length", arguments->length, "Bytes from there (default: to the page's end)")
      .type_name("BYTES");
  command.add_option("--vcpu", arguments->vcpu, "Whose page tables (default 0)").type_name("N");
  command.add_flag("--user", arguments->user, "The vCPU's user page tables, not its kernel's");
  Option hex = command.add_flag("--hex", arguments->hex, "Print a hexadecimal dump");
  command.add_flag("--raw", arguments->raw, "Print bytes as they are, on a terminal too")
      .excludes(hex);
  command.add_flag("--json", arguments->json, "Print JSON");
  add_bases(command, arguments->bases);
  add_no_sandbox(command, arguments->no_sandbox);
  command.callback([arguments, &exit] { exit = run_cat(*arguments); });
}

}  // namespace ferry
