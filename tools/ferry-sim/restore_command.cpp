// ferry-sim restore: a guest from a file, on the simulated host.
#include <cstdio>
#include <memory>
#include <thread>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "error/error.h"
#include "proto/image_file.h"
#include "sim_toolstack/restore_guest.h"
#include "tools/ferry-sim/commands.h"
#include "tools/ferry-sim/sim_host.h"
#include "xen/uuid.h"

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

using Json = nlohmann::ordered_json;

// The configuration, with the name that was asked for.
Json parse_config(const v1::Config& config, const std::string& name) {
  Json json = Json::parse(config.libxl_json(), nullptr, false);
  if (!json.is_object() || !json["c_info"].is_object())
    fail(Errc::bad_image, "the image's configuration makes no sense");
  if (!name.empty()) json["c_info"]["name"] = name;
  return json;
}

bool is_taken(SimLifecycle& life, const std::string& name) {
  try {
    life.find(name);
    return true;
  } catch (const Error&) {
    return false;
  }
}

void refuse_second_copy(SimLifecycle& life, const v1::Config& config, Json& json, bool force) {
  if (const auto twin = life.find_uuid(config.uuid())) {
    if (!force)
      fail(Errc::usage,
           "the guest of this image is here already: domain {}; --force makes a second one",
           static_cast<unsigned>(*twin));
    json["c_info"]["uuid"] = uuid_text(random_uuid());
  }
  const Json& name = json["c_info"]["name"];
  if (name.is_string() && is_taken(life, name))
    fail(Errc::usage, "there is a domain {} on this host already; --name gives it another name",
         name.get<std::string>());
}

void restore(const std::string& path, const Arguments& arguments) {
  const ImageFile image = ImageFile::open(arguments.file);
  const std::vector<v1::Record> records = image.other_records();
  const v1::Config& config = config_in(records);
  Json json = parse_config(config, arguments.name);
  SimHost host(path, true);
  refuse_second_copy(host.life(), config, json, arguments.force);
  const auto executor = make_thread_executor(std::max(1u, std::thread::hardware_concurrency() / 2));
  const auto source = image.stream();
  const RestoredGuest guest =
      restore_guest(host.xen(), host.life(), json.dump(), *source, *executor, arguments.paused);
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
