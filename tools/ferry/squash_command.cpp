// ferry squash: one whole image of a chain of deltas.
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "config/json_text.h"
#include "delta/squash.h"
#include "files/image_output.h"
#include "pipeline/pipeline.h"
#include "tools/ferry/commands.h"
#include "tools/ferry/output.h"
#include "tools/ferry/reader.h"

namespace ferry {
namespace {

constexpr unsigned kMostThreads = 2;  // what is under way stays small

struct SquashArguments {
  std::vector<std::string> files;  // the chain, the oldest first, and OUT
  std::string to;
  std::vector<std::string> bases;
  int level = 2;
  unsigned threads = std::clamp(std::thread::hardware_concurrency(), 1u, kMostThreads);
  bool json = false;
  bool no_sandbox = false;
};

// What there is to say of it; nothing if the image went to standard output.
std::string squashed(const SquashArguments& arguments, const delta::ImageFiles& files,
                     ByteSink& sink) {
  const auto executor = make_thread_executor(arguments.threads);
  const delta::Squashed done = delta::squash(files.open(), sink, *executor, arguments.level);
  if (arguments.to == "-") return {};
  const nlohmann::ordered_json json = {{"file", arguments.to},
                                       {"links", files.links().size()},
                                       {"pages", done.pages},
                                       {"image_bytes", done.image_bytes}};
  return arguments.json
             ? json_text(json) + "\n"
             : fmt::format("{}: one image of {}, {} pages with data, {} bytes\n", arguments.to,
                           files.links().size(), done.pages, done.image_bytes);
}

// Into a file that appears whole or not. Nothing is done to the chain.
Exit run_squash(SquashArguments& arguments) {
  if (arguments.files.size() < 2)
    fail(Errc::usage, "squash needs a chain and the file to write (ferry squash --help says more)");
  arguments.to = arguments.files.back();
  arguments.files.pop_back();
  const std::string newest = arguments.files.back();
  arguments.files.pop_back();
  if (!arguments.bases.empty() && !arguments.files.empty())
    fail(Errc::usage, "name the links either before {} or with --base", newest);
  if (arguments.bases.empty()) arguments.bases = arguments.files;
  const delta::ImageFiles files(newest, arguments.bases);
  for (const std::string& path : files.paths()) check_other_file(path, arguments.to);
  ImageOutput output(arguments.to);
  FdSink sink(output.fd(), arguments.to == "-" ? "standard output" : arguments.to);
  const sandbox::Done done =
      read_confined(files, arguments.no_sandbox, [&](const sandbox::Confinement&) {
        return sandbox::Done{Exit::done, squashed(arguments, files, sink)};
      });
  if (done.exit != Exit::done) return done.exit;
  output.commit();
  print(done.report);
  return Exit::done;
}

}  // namespace

void add_squash_command(Command ferry, Exit& exit) {
  auto arguments = std::make_shared<SquashArguments>();
  Command command =
      ferry.add_command("squash", "Make one whole image of deltas and what they build upon");
  command.footer(
      "Example: ferry squash sunday.ferry monday.ferry tuesday.ferry whole.ferry\n"
      "         ferry squash --base /var/backups/web1 /var/backups/web1/tuesday.ferry whole.ferry\n"
      "The files of the chain come first, the oldest before the others, and OUT is last. The "
      "image\n"
      "that is made is the newest one in every page, and needs no other file. The chain stays as "
      "it "
      "is;\n"
      "deltas of its newest image go on building upon that, not upon OUT.");
  command
      .add_option("FILES", arguments->files,
                  "The chain, the oldest first, and then the file to write, mode 0600, or -")
      .required();
  command.add_option("--level", arguments->level, "Of zstd, 0 for none (default 2)")
      .in_range(0, 19)
      .type_name("N");
  command.add_option("--threads", arguments->threads, "Worker threads (default: one a core)")
      .in_range(1u, kMostThreads)
      .type_name("N");
  command.add_flag("--json", arguments->json, "Print JSON");
  add_bases(command, arguments->bases);
  add_no_sandbox(command, arguments->no_sandbox);
  command.callback([arguments, &exit] { exit = run_squash(*arguments); });
}

}  // namespace ferry
