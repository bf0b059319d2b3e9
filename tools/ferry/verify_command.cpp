// ferry verify: what of a folder of images can be restored?
#include <algorithm>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "config/json_text.h"
#include "delta/folder.h"
#include "error/error.h"
#include "pipeline/pipeline.h"
#include "text/human_bytes.h"
#include "text/printable.h"
#include "text/shell_word.h"
#include "tools/ferry/commands.h"
#include "tools/ferry/output.h"
#include "tools/ferry/reader.h"

namespace ferry {
namespace {

using delta::FolderEntry;
using delta::LinkState;
using nlohmann::ordered_json;

constexpr size_t kMostFiles = 512;
constexpr const char* kNoImage = "no image";

struct VerifyArguments {
  std::string folder;
  unsigned threads = std::clamp(std::thread::hardware_concurrency(), 1u, 4u);
  bool json = false;
  bool no_sandbox = false;
};

uint64_t count(const std::vector<FolderEntry>& entries, LinkState state) {
  return static_cast<uint64_t>(std::ranges::count(entries, state, &FolderEntry::state));
}

ordered_json entry_as_json(const std::vector<FolderEntry>& entries, const FolderEntry& entry) {
  ordered_json json = {{"file", entry.path},
                       {"state", delta::state_name(entry.state)},
                       {"delta", entry.delta},
                       {"file_bytes", entry.bytes},
                       {"deltas_upon_it", entry.deltas_upon_it}};
  if (!entry.sha256.empty()) json["sha256"] = entry.sha256;
  if (entry.delta) json["base_sha256"] = entry.base_sha256;
  if (entry.base) json["base"] = entries[*entry.base].path;
  if (entry.links != 0) json["links"] = entry.links;
  if (!entry.why.empty()) json["why"] = entry.why;
  return json;
}

std::string as_json(const VerifyArguments& arguments, const std::vector<FolderEntry>& entries,
                    const sandbox::Confinement& confinement) {
  ordered_json images = ordered_json::array();
  for (const FolderEntry& entry : entries)
    if (entry.state != LinkState::no_image) images.push_back(entry_as_json(entries, entry));
  const ordered_json json = {{"folder", arguments.folder},
                             {"restorable", count(entries, LinkState::restorable)},
                             {"orphaned", count(entries, LinkState::orphaned)},
                             {"damaged", count(entries, LinkState::damaged)},
                             {"other_files", count(entries, LinkState::no_image)},
                             {"images", images},
                             {"sandbox", sandbox_as_json(confinement)}};
  return json_text(json) + "\n";
}

std::string as_text(const VerifyArguments& arguments, const std::vector<FolderEntry>& entries) {
  std::string text;
  for (const FolderEntry& entry : entries) {
    if (entry.state == LinkState::no_image) continue;
    text += fmt::format("{:<10} {}: {}, {}", delta::state_name(entry.state), printable(entry.path),
                        entry.delta ? "a delta" : "whole", human_bytes(entry.bytes));
    if (entry.base) text += fmt::format(", of {}", printable(entries[*entry.base].path));
    if (entry.links > 1) text += fmt::format(", {} files in all", entry.links);
    text += "\n";
    if (!entry.why.empty()) text += fmt::format("           {}\n", printable(entry.why));
  }
  return text + fmt::format("{}: {} can be restored, {} orphaned, {} damaged; {} other files\n",
                            printable(arguments.folder), count(entries, LinkState::restorable),
                            count(entries, LinkState::orphaned), count(entries, LinkState::damaged),
                            count(entries, LinkState::no_image));
}

// Images are often a folder further down, one for each guest. Empty: there is none.
std::string first_folder_in(const std::string& folder) {
  std::string first;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
    const std::string path = entry.path();
    const bool hidden = entry.path().filename().string().starts_with('.');
    if (!hidden && entry.is_directory(ignored) && (first.empty() || path < first)) first = path;
  }
  return first;
}

// A check of the wrong folder must not look like one that found all well.
[[noreturn]] void fail_without_images(const std::string& folder) {
  const std::string further = first_folder_in(folder);
  fail(Errc::io, "there is no image in {}: nothing can be restored from it{}", folder,
       further.empty()
           ? ""
           : "; folders in it are not looked into, try: ferry verify " + shell_word(further));
}

Exit run_verify(const VerifyArguments& arguments) {
  const std::vector<InputFile> files = delta::open_folder(arguments.folder, kMostFiles);
  uint64_t bytes = 0;
  for (const InputFile& file : files) bytes += file.size();
  const sandbox::Confined how = {.program = "ferry",
                                 .what = arguments.folder,
                                 .limits = sandbox::limits_for(bytes),
                                 .no_sandbox = arguments.no_sandbox};
  const sandbox::Done done =
      sandbox::run_confined(how, [&](const sandbox::Confinement& confinement) {
        const auto executor = make_thread_executor(arguments.threads);
        const auto entries = delta::verify_folder(files, *executor);
        print(arguments.json ? as_json(arguments, entries, confinement)
                             : as_text(arguments, entries));
        const bool all =
            count(entries, LinkState::orphaned) == 0 && count(entries, LinkState::damaged) == 0;
        const bool any = count(entries, LinkState::no_image) < entries.size();
        return sandbox::Done{all ? Exit::done : Exit::bad_image, any ? "" : kNoImage};
      });
  if (done.report == kNoImage) fail_without_images(arguments.folder);
  return done.exit;
}

}  // namespace

void add_verify_command(Command ferry, Exit& exit) {
  auto arguments = std::make_shared<VerifyArguments>();
  Command command = ferry.add_command("verify", "Say which images of a folder can be restored");
  command.footer(
      "Example: ferry verify /var/backups/web1\n"
      "Reads every byte of every image there, and follows each delta to what it builds upon. An "
      "image\n"
      "is restorable, or orphaned (what it builds upon is missing or damaged), or damaged itself.\n"
      "Exit code 0 if all are restorable, 3 if some are not, 1 if there is none; folders in it are "
      "not\n"
      "looked into. Whether a guest would be what it was, ferry audit says.");
  command.add_option("FOLDER", arguments->folder, "Where the images are").required();
  command.add_option("--threads", arguments->threads, "Worker threads (default: one a core)")
      .in_range(1, 4)
      .type_name("N");
  command.add_flag("--json", arguments->json, "Print JSON");
  add_no_sandbox(command, arguments->no_sandbox);
  command.callback([arguments, &exit] { exit = run_verify(*arguments); });
}

}  // namespace ferry
