// ferry inspect: what is in this image?
#include <nlohmann/json.hpp>

#include "audit/summary.h"
#include "tools/ferry/commands.h"
#include "tools/ferry/inspect_text.h"
#include "tools/ferry/output.h"

namespace ferry {
namespace {

struct InspectArguments {
  std::string file;
  bool json = false;
};

// Of the guest, as its configuration has it; empty if there is none that we can read.
std::string guest_name(const audit::Summary& summary) {
  if (summary.config && !summary.config->name().empty()) return summary.config->name();
  const std::string& config =
      summary.config ? summary.config->libxl_json() : summary.place.xl_config;
  const auto json = nlohmann::json::parse(config, nullptr, false);
  const nlohmann::json::json_pointer name("/c_info/name");
  if (json.is_discarded() || !json.contains(name) || !json[name].is_string()) return {};
  return json[name].get<std::string>();
}

void run_inspect(const InspectArguments& arguments) {
  const audit::Summary summary = audit::summarise(ImageFile::open(arguments.file));
  const std::string name = guest_name(summary);
  print(arguments.json ? summary_as_json(arguments.file, name, summary)
                       : summary_as_text(arguments.file, name, summary));
}

}  // namespace

void add_inspect_command(CLI::App& ferry, Exit&) {
  auto arguments = std::make_shared<InspectArguments>();
  CLI::App* command = ferry.add_subcommand("inspect", "Show what is in a saved image");
  command->footer(
      "Example: ferry inspect web1.ferry\n"
      "Reads head, index and the small records, no pages, so it is quick for any size; ferry "
      "audit\n"
      "tells whether the image is sound.");
  command->add_option("FILE", arguments->file, "Image, or xl save file that holds one")->required();
  command->add_flag("--json", arguments->json, "Print JSON");
  command->callback([arguments] { run_inspect(*arguments); });
}

}  // namespace ferry
