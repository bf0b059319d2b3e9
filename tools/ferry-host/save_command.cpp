// ferry save: a domain into a file.
#include <unistd.h>

#include <cstdio>
#include <memory>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "config/json_text.h"
#include "error/error.h"
#include "text/printable.h"
#include "tools/ferry-host/commands.h"
#include "tools/ferry-host/live_options.h"
#include "tools/ferry-host/progress_line.h"

namespace ferry::host {
namespace {

struct Arguments {
  std::string domain, file;
  bool keep = false, pause = false, destroy = false, json = false, quiet = false;
  std::optional<unsigned> threads;
  std::optional<int> level;
  bool live = false;
  LiveOptions options;
  std::optional<int> events;
};

std::optional<std::vector<std::string>> live_settings(const Arguments& a) {
  if (a.live) return settings_of(a.options);
  if (given(a.options) || a.events)
    fail(Errc::usage,
         "--track, --max-downtime, --max-rounds, --deadline, --on-stall, --bandwidth and --events "
         "are for --live");
  return std::nullopt;
}

Afterwards afterwards(const Arguments& a) {
  if (a.keep + a.pause + a.destroy > 1)
    fail(Errc::usage, "--keep, --pause and --destroy exclude each other");
  if (a.file == "-" && a.keep + a.pause + a.destroy == 0)
    fail(
        Errc::usage,
        "what is written to standard output may never reach a disk; say what becomes of the guest: "
        "--keep, --pause or --destroy");
  if (a.file == "-" && isatty(STDOUT_FILENO))
    fail(Errc::usage, "an image is not for a terminal; redirect standard output");
  return a.keep ? Afterwards::keep : a.pause ? Afterwards::pause : Afterwards::destroy;
}

void print(const Arguments& arguments, const SaveReport& report) {
  FILE* out = arguments.file == "-" ? stderr : stdout;
  if (arguments.json) {
    nlohmann::ordered_json result = {
        {"domain", report.name},
        {"domid", raw(report.domid)},
        {"file", arguments.file},
        {"guest_bytes", report.guest_bytes},
        {"image_bytes", report.image_bytes},
        {"suspended_seconds", report.suspended_seconds},
    };
    if (arguments.file == "-") result.erase("image_bytes");  // whoever reads it knows
    fmt::print(out, "{}\n", json_text(result));
  } else if (!arguments.quiet) {
    const std::string image =
        arguments.file == "-" ? "" : fmt::format(", {} bytes of image", report.image_bytes);
    fmt::print(out, "saved {} to {}: {} bytes of guest{}, {:.2f} s\n", printable(report.name),
               arguments.file, report.guest_bytes, image, report.suspended_seconds);
  }
}

void save(const Arguments& arguments, const SaveGuest& save_guest) {
  const SaveRequest request{arguments.domain,  arguments.file,  afterwards(arguments),
                            arguments.threads, arguments.level, live_settings(arguments),
                            arguments.events};
  ProgressLine line(arguments.quiet || arguments.json);
  const auto progress = [&](const std::string& what, uint64_t done, uint64_t total) {
    line.update(what, done, total);
  };
  const SaveReport report = save_guest(request, progress);
  line.finish();
  print(arguments, report);
}

}  // namespace

void add_save_command(CLI::App& app, SaveGuest save_guest) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("save", "Save a running PV guest into a file");
  command->footer(
      "With --live the guest runs while its memory is copied (docs/migration.md).\n"
      "The guest is destroyed once the file is on the disk, unless told otherwise.\n"
      "If anything fails before that, the guest runs on and no file is left.\n"
      "\nExample:\n  ferry save web1 /var/lib/xen/save/web1.ferry");
  command->add_option("DOMAIN", arguments->domain, "Name or number of the domain")->required();
  command->add_option("FILE", arguments->file, "Where to save it; - is standard output")
      ->required();
  command->add_flag("--keep", arguments->keep, "Leave the guest running");
  command->add_flag("--pause", arguments->pause, "Leave the guest paused");
  command->add_flag("--destroy", arguments->destroy, "Destroy the guest (as without any of these)");
  command->add_option("--level", arguments->level, "zstd level, 0 for no compression (default 2)")
      ->check(CLI::Range(0, 19));
  command->add_option("--threads", arguments->threads, "Threads to use (default: half of the CPUs)")
      ->check(CLI::Range(1, 256));
  command->add_flag("--live", arguments->live,
                    "Copy the memory while the guest runs; suspend it only for the rest");
  add_live_options(*command, arguments->options);
  command->add_option("--events", arguments->events, "Descriptor that gets progress as JSON Lines")
      ->check(CLI::Range(1, 1 << 20));
  command->add_flag("--json", arguments->json, "Print the result as JSON");
  command->add_flag("--quiet", arguments->quiet, "Print errors only");
  command->callback(
      [arguments, save_guest = std::move(save_guest)] { save(*arguments, save_guest); });
}

}  // namespace ferry::host
