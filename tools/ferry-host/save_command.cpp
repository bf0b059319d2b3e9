// ferry save: a domain into a file.
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <optional>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "config/json_text.h"
#include "error/error.h"
#include "files/save_target.h"
#include "host/metrics.h"
#include "migrate/open_job.h"
#include "sandbox/confined_process.h"
#include "text/print.h"
#include "text/printable.h"
#include "text/say.h"
#include "text/shell_word.h"
#include "tools/ferry-host/base_image.h"
#include "tools/ferry-host/commands.h"
#include "tools/ferry-host/page_hashes.h"
#include "tools/ferry-host/progress_line.h"
#include "tools/ferry-host/read_base.h"
#include "tools/ferry-host/setting_options.h"

namespace ferry::host {
namespace {

struct SaveArguments {
  std::string domain, file;
  bool keep = false, pause = false, destroy = false, json = false, quiet = false;
  bool live = false;
  std::vector<std::string> bases;
  std::string page_hashes;
  bool stream = false;  // what is written may never reach a disk
  Settings said;
};

// They would mean nothing where the guest stands still.
void refuse_live_settings(const Settings& said) {
  for (const Setting& setting : kSettings)
    if (said.text_of(setting) && (setting.user == User::live || setting.user == User::helper))
      fail(Errc::usage, "{} is for --live", option_of(setting));
}

Afterwards afterwards(const SaveArguments& a) {
  if (a.keep + a.pause + a.destroy > 1)
    fail(Errc::usage, "--keep, --pause and --destroy exclude each other");
  if (a.stream && a.keep + a.pause + a.destroy == 0)
    fail(Errc::usage,
         "what is written to {} may never reach a disk; say what becomes of the guest: --keep, "
         "--pause or --destroy",
         a.file == "-" ? "standard output" : "a FIFO");
  if (a.file == "-" && isatty(STDOUT_FILENO))
    fail(Errc::usage, "an image is not for a terminal; redirect standard output");
  return a.keep ? Afterwards::keep : a.pause ? Afterwards::pause : Afterwards::destroy;
}

void print(const SaveArguments& arguments, const SaveReport& report) {
  const auto tell = [&](const std::string& text) {
    arguments.stream ? say(text) : report_that(text);  // /dev/stdout is a stream too
  };
  if (arguments.json) {
    nlohmann::ordered_json result = {
        {"domain", report.name},
        {"domid", raw(report.domid)},
        {"file", arguments.file},
        {"guest_bytes", report.guest_bytes},
        {"image_bytes", report.image_bytes},
        {"suspended_seconds", report.suspended_seconds},
    };
    if (arguments.stream) result.erase("image_bytes");  // whoever reads it knows
    tell(json_text(result) + "\n");
  } else if (!arguments.quiet) {
    const std::string image =
        arguments.stream ? "" : fmt::format(", {} bytes of image", report.image_bytes);
    tell(fmt::format("saved {} to {}: {} bytes of guest{}, {:.2f} s\n", printable(report.name),
                     arguments.file, report.guest_bytes, image, report.suspended_seconds));
  }
}

// The guest runs on meanwhile.
std::optional<BasePages> base_of(const SaveArguments& arguments, const Settings& settings,
                                 HeldFiles& held) {
  if (arguments.bases.empty()) return {};
  BasePages base = read_base(arguments.bases,
                             settings.get<"sandbox">() == "yes" && sandbox::can_confine(), held);
  if (held.has(arguments.stream ? "/dev/stdout" : arguments.file))
    fail(Errc::usage, "{} is what the delta builds upon: name another file to write",
         arguments.file);
  for (const std::string& written : {arguments.file, arguments.page_hashes})
    if (held.empty() && is_image_called(base.name(), written))
      fail(Errc::usage,
           "{} is the image that {} stands for, which the delta builds upon: name "
           "another file to write",
           written, arguments.bases.back());
  if (held.empty() && arguments.keep + arguments.pause + arguments.destroy == 0)
    fail(Errc::usage,
         "whether the image that {} stands for is still there is not known here; say what becomes "
         "of the guest: --keep, --pause or --destroy",
         arguments.bases.back());
  return base;
}

// Both would have one name in the end.
void refuse_one_file(const SaveArguments& arguments, const HeldFiles& held) {
  // Links are followed also to where nothing is yet.
  const auto place = [](const std::string& path) {
    const std::filesystem::path at = find_save_target(path).path;
    std::error_code none;
    return std::filesystem::weakly_canonical(folder_of(at), none) / at.filename();
  };
  if (held.has(arguments.page_hashes))
    fail(Errc::usage, "{} is what the delta builds upon: name another file for page hashes",
         arguments.page_hashes);
  if (place(arguments.page_hashes) == place(arguments.file))
    fail(Errc::usage, "the image and its page hashes cannot both be {}", arguments.file);
}

// What a single base builds upon is found beside it.
std::string options_to_restore(const std::vector<std::string>& bases) {
  std::string options;
  for (const std::string& base : bases) {
    std::string path = base;
    if (bases.size() == 1) path = folder_of(base);
    options += fmt::format("--base {} ", shell_word(path));
  }
  return options;
}

// Page hashes are worth nothing without their image, which may go after both had their names.
SaveReport save_and_keep(const SaveGuest& save_guest, const SaveRequest& request,
                         const ProgressCallback& progress, std::optional<PageHashes>& hashes) {
  try {
    return save_guest(request, progress);
  } catch (...) {
    if (hashes) hashes->withdraw();
    throw;
  }
}

void save(SaveArguments& arguments, const Settings& settings, const SaveGuest& save_guest) {
  arguments.stream = is_stream(arguments.file);
  if (!arguments.live) refuse_live_settings(arguments.said);
  SaveRequest request{arguments.domain,      arguments.file,
                      afterwards(arguments), arguments.said.over(settings),
                      arguments.live,        {},
                      refuse_claimed};
  ProgressLine line(arguments.quiet || arguments.json);
  const auto progress = [&](const std::string& what, uint64_t done, uint64_t total) {
    line.update(what, done, total);
  };
  const SaveReport report = counted("save", [&](CommandRun& run) {
    HeldFiles held;
    const std::optional<BasePages> base = base_of(arguments, settings, held);
    if (base) request.base = base->fd();
    std::optional<PageHashes> hashes;
    if (!arguments.page_hashes.empty()) {
      refuse_one_file(arguments, held);
      request.page_hashes = hashes.emplace(arguments.page_hashes).memory();
    }
    request.check_base = [&held] { held.check(); };
    request.is_whole = [&hashes] {
      if (hashes) hashes->write();
    };
    request.about_to_count = [&hashes] {
      if (hashes) hashes->remove_older();
    };
    request.counts = [&] {
      held.note_built_upon();
      if (hashes) hashes->commit();
    };
    request.restore_options = options_to_restore(arguments.bases);
    SaveReport saved = save_and_keep(save_guest, request, progress, hashes);
    run.guest_bytes = saved.guest_bytes;
    run.image_bytes = saved.image_bytes;
    run.downtime = saved.suspended_seconds;
    return saved;
  });
  line.finish();
  print(arguments, report);
}

}  // namespace

void add_save_command(Command app, const Settings& settings, SaveGuest save_guest) {
  auto arguments = std::make_shared<SaveArguments>();
  Command command = app.add_command("save", "Save a running PV guest into a file");
  command.footer(
      "With --live the guest runs while its memory is copied (docs/migration.md).\n"
      "The guest is destroyed once the file is on the disk, unless told otherwise.\n"
      "If anything fails before that, the guest runs on and no file is left.\n"
      "FILE may be a link, which is followed; a block device, which is written in place; a FIFO,\n"
      "of which nobody knows where it ends, as of -: then say what becomes of the guest\n"
      "(docs/targets.md).\n"
      "A delta is restored together with its base, which has to stay as it is (docs/backup.md);\n"
      "--base may name the page hashes of an image that has gone elsewhere.\n"
      "\nExample:\n  ferry save web1 /var/lib/xen/save/web1.ferry\n"
      "  ferry save --live --keep --base sunday.ferry web1 monday.ferry");
  command.add_option("DOMAIN", arguments->domain, "Name or number of the domain").required();
  command
      .add_option("FILE", arguments->file,
                  "Where to save it: a file, a block device, a FIFO, or - for standard output")
      .required();
  command.add_flag("--keep", arguments->keep, "Leave the guest running");
  command.add_flag("--pause", arguments->pause, "Leave the guest paused");
  command.add_flag("--destroy", arguments->destroy, "Destroy the guest (as without any of these)");
  command.add_flag("--live", arguments->live,
                   "Copy the memory while the guest runs; suspend it only for the rest");
  command
      .add_option("--base", arguments->bases,
                  "Write a delta: only what differs from this image; what that builds upon is "
                  "looked for beside it, or named before it, the oldest first")
      .type_name("FILE")
      .one_value();
  command
      .add_option(
          "--page-hashes", arguments->page_hashes,
          "Write a second file, 16 bytes a page, which a later --base takes instead of this "
          "image")
      .type_name("FILE");
  add_settings(command, kSave, arguments->said);
  command.add_flag("--json", arguments->json, "Print the result as JSON");
  command.add_flag("--quiet", arguments->quiet, "Print errors only");
  command.callback([arguments, settings, save_guest = std::move(save_guest)] {
    save(*arguments, settings, save_guest);
  });
}

}  // namespace ferry::host
