// ferry walk: where does a virtual address of the saved guest lead?
#include <nlohmann/json.hpp>

#include "audit/layout.h"
#include "config/json_text.h"
#include "proto/pages.h"
#include "tools/ferry/commands.h"
#include "tools/ferry/guest_address.h"
#include "tools/ferry/output.h"
#include "tools/ferry/reader.h"

namespace ferry {
namespace {

using nlohmann::ordered_json;

struct WalkArguments {
  std::string file;
  std::string address;
  uint32_t vcpu = 0;
  bool user = false;
  bool json = false;
  std::vector<std::string> bases;
  bool no_sandbox = false;
};

std::string as_text(const WalkArguments& arguments, uint64_t vaddr, uint64_t root,
                    const audit::Walk& walk, const audit::PageMap& map) {
  std::string text = fmt::format("{} of vCPU {}: pfn {:#x}\n",
                                 arguments.user ? "user page tables" : "cr3", arguments.vcpu, root);
  for (unsigned i = 0; i < walk.taken; ++i) {
    const audit::WalkStep& step = walk.steps[i];
    const bool present = (step.entry & audit::kPtePresent) != 0;
    text += fmt::format(
        "L{} entry {:>3} of pfn {:#x}: {:#018x}{}  {}\n", step.level, step.index, step.table,
        step.entry,
        present ? fmt::format(" -> pfn {:#x}", audit::frame_of_entry(step.entry)) : std::string(),
        flags_in_words(step.entry, step.level));
  }
  if (!walk.pfn) return text + fmt::format("{:#x}: {}\n", vaddr, walk.fault);
  return text + fmt::format("{:#x}: pfn {:#x}, byte {:#x}: {}\n", vaddr, *walk.pfn,
                            vaddr % kPageSize, audit::describe(map, *walk.pfn));
}

std::string as_json(const WalkArguments& arguments, uint64_t vaddr, uint64_t root,
                    const audit::Walk& walk, const audit::PageMap& map) {
  ordered_json steps = ordered_json::array();
  for (unsigned i = 0; i < walk.taken; ++i) {
    const audit::WalkStep& step = walk.steps[i];
    steps.push_back({{"pt_level", step.level},
                     {"table_pfn", step.table},
                     {"entry", step.index},
                     {"value", fmt::format("{:#x}", step.entry)},
                     {"present", (step.entry & audit::kPtePresent) != 0},
                     {"flags", flags_in_words(step.entry, step.level)}});
  }
  ordered_json json = {{"vaddr", fmt::format("{:#x}", vaddr)},
                       {"vcpu", arguments.vcpu},
                       {"tables", arguments.user ? "user" : "kernel"},
                       {"root_pfn", root},
                       {"steps", steps},
                       {"pfn", walk.pfn ? ordered_json(*walk.pfn) : ordered_json()}};
  if (walk.pfn) {
    json["kind"] = v1::PageKind_Name(map.kind(*walk.pfn));
    json["offset_bytes"] = vaddr % kPageSize;
  } else {
    json["fault"] = walk.fault;
  }
  return json_text(json) + "\n";
}

void print_walk(const WalkArguments& arguments, uint64_t vaddr, const delta::ImageFiles& file) {
  const ImageFile image = file.open();
  const audit::PageMap map = audit::PageMap::load(image);
  const uint64_t root = page_table_root(image, arguments.vcpu, arguments.user);
  audit::PageReader reader(image, map);
  const audit::Walk walk = audit::Walker(reader, map).walk(root, vaddr);
  print(arguments.json ? as_json(arguments, vaddr, root, walk, map)
                       : as_text(arguments, vaddr, root, walk, map));
}

Exit run_walk(const WalkArguments& arguments) {
  const uint64_t vaddr = parse_number(arguments.address, "virtual address");
  const delta::ImageFiles file(arguments.file, arguments.bases);
  return print_confined(file, arguments.no_sandbox, [&] { print_walk(arguments, vaddr, file); });
}

}  // namespace

void add_walk_command(Command ferry, Exit& exit) {
  auto arguments = std::make_shared<WalkArguments>();
  Command command = ferry.add_command("walk", "Show where a virtual address leads, level by level");
  command.footer(
      "Example: ferry walk web1.ferry 0xffffffff81000000\n"
      "         ferry walk --vcpu 1 --user web1.ferry 0x400000\n"
      "Entries are shown as they are in the image: with pfns for machine frames.");
  command.add_option("FILE", arguments->file, "Image, or xl save file that holds one").required();
  command.add_option("ADDRESS", arguments->address, "Virtual address").required();
  command.add_option("--vcpu", arguments->vcpu, "Whose page tables (default 0)").type_name("N");
  command.add_flag("--user", arguments->user, "The vCPU's user page tables, not its kernel's");
  command.add_flag("--json", arguments->json, "Print JSON");
  add_bases(command, arguments->bases);
  add_no_sandbox(command, arguments->no_sandbox);
  command.callback([arguments, &exit] { exit = run_walk(*arguments); });
}

}  // namespace ferry
