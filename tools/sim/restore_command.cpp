// ferry-sim restore: a guest from a file, on the simulated host.
#include <cstdio>
#include <memory>
#include <thread>

#include <fmt/format.h>

#include "error/error.h"
#include "proto/image_file.h"
#include "sim/toolstack/restore_guest.h"
#include "tools/sim/commands.h"
#include "tools/sim/sim_host.h"

namespace ferry::sim {
namespace {

struct Arguments {
  std::string file, name;
  bool paused = false, force = false;
};

const v1::Config& config_in(const std::vector<v1::Record>& records) {
  for (const v1::Record& record : records)
    if (record.has_config() && !record.config().libxl_json().empty()) return record.config();
  fail(Errc::bad_image,
       "the image says nothing of how to create the domain; it was not written by ferry save");
}

void restore(const std::string& path, const Arguments& arguments) {
  const ImageFile image = ImageFile::open(arguments.file);
  const std::vector<v1::Record> records = image.other_records();
  const v1::Config& config = config_in(records);
  SimHost host(path, true);
  const auto twin = host.life().find_uuid(config.uuid());
  if (twin && !arguments.force)
    fail(Errc::usage,
         "the guest of this image is here already: domain {}; --force makes a second one",
         static_cast<unsigned>(*twin));
  const auto executor = make_thread_executor(std::max(1u, std::thread::hardware_concurrency() / 2));
  const auto source = image.stream();
  const RestoredGuest guest =
      restore_guest(host.xen(), host.life(), config.libxl_json(), *source, *executor, true);
  if (!arguments.name.empty()) host.life().rename(guest.domid, arguments.name);
  if (!arguments.paused) host.life().unpause(guest.domid);
  fmt::print("restored {} as domain {}: {} bytes of guest\n", host.life().name(guest.domid),
             static_cast<unsigned>(guest.domid), guest.guest_bytes);
}

}  // namespace

void add_restore_command(CLI::App& app, HostPath host) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("restore", "Restore a guest from a file");
  command->footer("Example:\n  ferry-sim restore web1.ferry");
  command->add_option("FILE", arguments->file, "The image")->required();
  command->add_option("--name", arguments->name, "Another name for the guest");
  command->add_flag("--paused", arguments->paused, "Leave it paused");
  command->add_flag("--force", arguments->force, "Also if the guest is on this host already");
  command->callback([arguments, host] { restore(*host, *arguments); });
}

}  // namespace ferry::sim
