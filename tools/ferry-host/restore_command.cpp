// ferry restore: a domain from a file, through xl, so that reboot, shutdown and devices stay xl's.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>
#include <thread>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "audit/audit.h"
#include "error/error.h"
#include "host/child.h"
#include "host/engine.h"
#include "host/stop_signals.h"
#include "proto/image_file.h"
#include "proto/record_reader.h"
#include "proto/xl_wrapper.h"
#include "settings/places.h"
#include "tools/ferry-host/commands.h"
#include "xen/hypervisor.h"
#include "xen/libxl_lifecycle.h"
#include "xen/uuid.h"

namespace ferry::host {
namespace {

using Json = nlohmann::ordered_json;

struct Arguments {
  std::string file, name;
  bool paused = false, force = false;
};

constexpr size_t kCopyStep = 1 << 20;

// What the image says of how to create the domain: in an xl file its header, else a Config record.
XlHeader header_of(const ImageFile& image) {
  if (image.place().in_xl_file) return {image.place().xl_flags, image.place().xl_config};
  for (const v1::Record& record : image.other_records())
    if (record.has_config() && !record.config().libxl_json().empty())
      return {record.config().xl_flags(), record.config().libxl_json()};
  fail(Errc::bad_image,
       "the image says nothing of how to create the domain; it was not written by ferry save");
}

Json parse_config(const XlHeader& header) {
  if (!(header.mandatory_flags & kXlFlagJson))
    fail(Errc::unsupported, "the image's configuration is not JSON; restore it with xl restore");
  Json config = Json::parse(header.config, nullptr, false);
  const auto is_text = [&](const char* key) {
    const Json& info = config["c_info"];
    return !info.contains(key) || info[key].is_string();
  };
  if (!config.is_object() || !config["c_info"].is_object() || !is_text("name") || !is_text("uuid"))
    fail(Errc::bad_image, "the image's configuration makes no sense");
  return config;
}

// Two copies of a guest write to the same disks and answer to the same addresses.
void refuse_second_copy(Lifecycle& life, Json& config, const Arguments& arguments) {
  if (!config["c_info"].contains("uuid")) return;  // then libxl makes one
  const DomainUuid uuid = uuid_of(config["c_info"]["uuid"]);
  const auto running = life.find_uuid(std::string(uuid.begin(), uuid.end()));
  if (!running) return;
  if (!arguments.force)
    fail(Errc::busy,
         "the guest in {} still runs here as domain {} ({}); a second copy would share its disks "
         "and "
         "addresses (--force, with --name, restores it all the same)",
         arguments.file, raw(*running), life.name(*running));
  config["c_info"]["uuid"] = uuid_text(random_uuid());
}

// Says what is wrong with the image, if that is why it did not restore. Throws Error(bad_image).
void blame_image(const ImageFile& image) {
  auto executor = make_thread_executor(1);
  const audit::Result result = audit::run(image, {}, *executor);
  if (result.clean()) return;
  for (const audit::Finding& finding : result.findings.kept())
    if (finding.rule->severity == audit::Severity::error)
      fail(Errc::bad_image, "the image is bad: {} (ferry audit shows all that is wrong)",
           finding.sentence);
  fail(Errc::bad_image, "the image is bad; ferry audit shows what is wrong");
}

// Writes the xl file that xl restore reads. False if xl stopped reading.
bool feed(const ImageFile& image, const XlHeader& header, int fd) {
  FdSink sink(fd, "xl restore");
  try {
    sink.write(encode_xl_header(header));
    auto source = image.stream();
    std::vector<std::byte> buffer(kCopyStep);
    while (size_t n = source->read(buffer)) sink.write(std::span(buffer).first(n));
    sink.write(encode_libxl_end());
    return true;
  } catch (const Error& e) {
    if (e.os_errno() == EPIPE) return false;
    throw;
  }
}

int run_xl(const ImageFile& image, const XlHeader& header, const Arguments& arguments) {
  int pipe_fds[2];
  if (pipe2(pipe_fds, O_CLOEXEC) != 0) fail_errno(Errc::io, errno, "cannot make a pipe");
  std::vector<std::string> command = {place<"xl">(), "restore"};
  if (arguments.paused) command.push_back("-p");
  command.push_back(fmt::format("/proc/self/fd/{}", pipe_fds[0]));
  Child child(command, {"LIBXL_SAVE_HELPER=" + helper_path()}, {pipe_fds[0]}, Child::Pipes::none);
  close(pipe_fds[0]);
  {
    const SignalsTo stop(child.pid());
    std::exception_ptr failure;
    std::thread feeder([&] {
      try {
        feed(image, header, pipe_fds[1]);
      } catch (...) {
        failure = std::current_exception();
      }
      close(pipe_fds[1]);
    });
    const int status = child.wait();
    feeder.join();
    if (failure) std::rethrow_exception(failure);
    return status;
  }
}

// A guest may end as soon as it runs: it was restored all the same.
void print_restored(Lifecycle& life, const std::string& name, bool paused) {
  try {
    fmt::print("restored {} as domain {}{}\n", name, raw(life.find(name)),
               paused ? ", paused" : "");
  } catch (const Error& e) {
    if (e.code() != Errc::no_domain) throw;
    fmt::print("restored {}, which has ended since\n", name);
  }
}

void restore(const Arguments& arguments) {
  const ImageFile image = ImageFile::open(arguments.file);
  check_head(image.head());
  XlHeader header = header_of(image);
  Json config = parse_config(header);
  Hypervisor xen;
  LibxlLifecycle life;
  if (!arguments.name.empty()) config["c_info"]["name"] = arguments.name;
  refuse_second_copy(life, config, arguments);
  header.config = config.dump();

  const int status = run_xl(image, header, arguments);
  if (status != 0) {
    blame_image(image);
    fail(Errc::internal,
         "xl restore failed ({}); its messages are above, the image itself is sound",
         WIFSIGNALED(status) ? fmt::format("signal {}", WTERMSIG(status))
                             : fmt::format("exit status {}", WEXITSTATUS(status)));
  }
  print_restored(life, config["c_info"].value("name", std::string()), arguments.paused);
}

}  // namespace

void add_restore_command(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("restore", "Restore a PV guest from a file");
  command->footer(
      "Takes what ferry save wrote, and what xl save wrote with ferry's helper.\n"
      "\nExample:\n  ferry restore /var/lib/xen/save/web1.ferry");
  command->add_option("FILE", arguments->file, "The saved guest")->required();
  command->add_flag("--paused", arguments->paused, "Leave the guest paused");
  command->add_option("--name", arguments->name, "Give the domain another name");
  command->add_flag("--force", arguments->force, "Restore even if the guest still runs here");
  command->callback([arguments] { restore(*arguments); });
}

}  // namespace ferry::host
