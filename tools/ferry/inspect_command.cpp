// ferry inspect: what is in this image?
#include <nlohmann/json.hpp>

#include "audit/summary.h"
#include "config/json_text.h"
#include "files/image_output.h"
#include "pipeline/pipeline.h"
#include "tools/ferry/commands.h"
#include "tools/ferry/inspect_html.h"
#include "tools/ferry/inspect_more.h"
#include "tools/ferry/inspect_text.h"
#include "tools/ferry/output.h"
#include "tools/ferry/reader.h"

namespace ferry {
namespace {

struct InspectArguments {
  std::string file;
  std::string html;  // where to write a page; empty: nowhere
  bool pages = false;
  bool json = false;
  std::vector<std::string> bases;
  bool no_sandbox = false;
};

void print_summary(const InspectArguments& arguments, const delta::ImageFiles& file,
                   const sandbox::Confinement& confinement) {
  const ImageFile image = file.open();
  const audit::Summary summary = audit::summarise(image);
  const std::string name = guest_name(summary);
  std::optional<audit::Census> census;
  // Two threads: what is under way stays small whatever the records claim.
  if (arguments.pages) census = audit::take_census(image, *make_thread_executor(2));
  const nlohmann::ordered_json config = config_as_json(summary);
  if (!arguments.json)
    return print(summary_as_text(arguments.file, name, summary) + config_as_text(config) +
                 asks_for_as_text(config_asks_for(summary)) + rounds_as_text(summary) +
                 (census ? census_as_text(*census) : std::string()));
  auto json = nlohmann::ordered_json::parse(summary_as_json(arguments.file, name, summary));
  if (!config.is_null()) json["config"] = config;
  json["asks_for"] = asks_for_as_json(config_asks_for(summary));
  if (census) json["contents"] = census_as_json(*census);
  json["sandbox"] = sandbox_as_json(confinement);
  print(json_text(json) + "\n");
}

// A page that appears whole, mode 0600, or not at all.
Exit make_page(const InspectArguments& arguments, const delta::ImageFiles& file) {
  check_other_file(arguments.file, arguments.html);
  ImageOutput output(arguments.html);
  const sandbox::Done done =
      read_confined(file, arguments.no_sandbox, [&](const sandbox::Confinement&) {
        const ImageFile image = file.open();
        return sandbox::Done{Exit::done, write_html(arguments.file, image, audit::summarise(image),
                                                    arguments.html, output.fd())};
      });
  if (done.exit != Exit::done) return done.exit;
  output.commit();
  print(done.report);
  return Exit::done;
}

Exit run_inspect(const InspectArguments& arguments) {
  const delta::ImageFiles file(arguments.file, arguments.bases);
  if (!arguments.html.empty()) return make_page(arguments, file);
  return read_confined(file, arguments.no_sandbox,
                       [&](const sandbox::Confinement& confinement) {
                         print_summary(arguments, file, confinement);
                         return sandbox::Done{};
                       })
      .exit;
}

}  // namespace

void add_inspect_command(Command ferry, Exit& exit) {
  auto arguments = std::make_shared<InspectArguments>();
  Command command = ferry.add_command("inspect", "Show what is in a saved image");
  command.footer(
      "Example: ferry inspect web1.ferry\n"
      "         ferry inspect --pages web1.ferry\n"
      "         ferry inspect --html web1.html web1.ferry\n"
      "Reads head, index and the small records, no pages, so it is quick for any size. --pages "
      "reads\n"
      "all: the kernel's banner, rounds, page tables. --html reads all too, audits the image and "
      "writes\n"
      "a page for a browser: a map of the memory, charts of the rounds, findings, tables. The page "
      "needs\n"
      "no network and holds nothing of what is in the guest's memory but the kernel's banner.");
  command.add_option("FILE", arguments->file, "Image, or xl save file that holds one").required();
  Option pages = command.add_flag("--pages", arguments->pages, "Look into the pages too");
  Option json = command.add_flag("--json", arguments->json, "Print JSON");
  command
      .add_option("--html", arguments->html,
                  "Write a page instead, mode 0600, or - for standard output")
      .type_name("PAGE")
      .excludes(pages)
      .excludes(json);
  add_bases(command, arguments->bases);
  add_no_sandbox(command, arguments->no_sandbox);
  command.callback([arguments, &exit] { exit = run_inspect(*arguments); });
}

}  // namespace ferry
