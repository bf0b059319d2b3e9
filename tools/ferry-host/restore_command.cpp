// ferry restore: a domain from a file, through xl, so that reboot, shutdown and devices stay xl's.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>
#include <thread>

#include <fmt/format.h>

#include "error/error.h"
#include "host/child.h"
#include "host/engine.h"
#include "host/operator_config.h"
#include "host/restore_config.h"
#include "host/stop_signals.h"
#include "proto/xl_wrapper.h"
#include "settings/places.h"
#include "text/printable.h"
#include "tools/ferry-host/commands.h"
#include "tools/ferry-host/saved_file.h"
#include "xen/hypervisor.h"
#include "xen/libxl_lifecycle.h"

namespace ferry::host {
namespace {

struct Arguments : RestoreAs {
  std::string config_file;
  bool paused = false;
};

constexpr size_t kCopyStep = 1 << 20;

// Writes the xl file that xl restore reads. False if xl stopped reading.
bool feed(FileSource image, const XlHeader& header, int fd) {
  FdSink sink(fd, "xl restore");
  try {
    sink.write(encode_xl_header(header));
    std::vector<std::byte> buffer(kCopyStep);
    while (size_t n = image.read(buffer)) sink.write(std::span(buffer).first(n));
    sink.write(encode_libxl_end());
    return true;
  } catch (const Error& e) {
    if (e.os_errno() == EPIPE) return false;
    throw;
  }
}

int run_xl(const FileSource& image, const XlHeader& header, const Arguments& arguments) {
  int pipe_fds[2];
  if (pipe2(pipe_fds, O_CLOEXEC) != 0) fail_errno(Errc::io, errno, "cannot make a pipe");
  std::vector<std::string> command = {place<"xl">(), "restore"};
  if (arguments.paused) command.push_back("-p");
  command.push_back(fmt::format("/proc/self/fd/{}", pipe_fds[0]));
  Child child(command, environment_of_xl(), {pipe_fds[0]}, Child::Pipes::none);
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
    fmt::print("restored {} as domain {}{}\n", printable(name), raw(life.find(name)),
               paused ? ", paused" : "");
  } catch (const Error& e) {
    if (e.code() != Errc::no_domain) throw;
    fmt::print("restored {}, which has ended since\n", printable(name));
  }
}

// Nothing of Xen is open before and after: the file is read by processes that have a copy of this.
void check_here(RestoreConfig& config, const Arguments& arguments) {
  Hypervisor xen;
  LibxlLifecycle life;
  refuse_second_copy(config, life, arguments);
}

void restore(Arguments& arguments, bool confined) {
  SavedFile file(arguments.file, confined);
  const SavedConfig saved = file.read();
  if (!arguments.config_file.empty()) arguments.config = operator_config(arguments.config_file);
  RestoreConfig config = restore_config(saved, arguments);
  tell_dropped(config);
  check_here(config, arguments);
  const int status = run_xl(file.image(), config.header, arguments);
  if (status != 0) {
    file.blame();
    fail(Errc::internal,
         "xl restore failed ({}); its messages are above, the image itself is sound",
         WIFSIGNALED(status) ? fmt::format("signal {}", WTERMSIG(status))
                             : fmt::format("exit status {}", WEXITSTATUS(status)));
  }
  LibxlLifecycle life;
  print_restored(life, config.json["c_info"].value("name", std::string()), arguments.paused);
}

}  // namespace

void add_restore_command(CLI::App& app, const Settings& settings) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("restore", "Restore a PV guest from a file");
  command->footer(
      "Takes what ferry save wrote, and what xl save wrote with ferry's helper.\n"
      "An image that another host saved is restored with ordinary disks, networks and kernels "
      "only\n(docs/trust.md).\n"
      "\nExample:\n  ferry restore /var/lib/xen/save/web1.ferry");
  command->add_option("FILE", arguments->file, "The saved guest")->required();
  command->add_flag("--paused", arguments->paused, "Leave the guest paused");
  command->add_option("--name", arguments->name, "Give the domain another name");
  CLI::Option* trust = command->add_flag(
      "--trust-config", arguments->trust_config,
      "Take the image's configuration, whatever programs, files and devices it names");
  command
      ->add_option("--config", arguments->config_file,
                   "Take this one instead: as for xl create, or libxl's JSON")
      ->type_name("CONFIG")
      ->excludes(trust);
  command->add_flag("--force", arguments->force, "Restore even if the guest still runs here");
  command->callback(
      [arguments, &settings] { restore(*arguments, settings.get<"sandbox">() == "yes"); });
}

}  // namespace ferry::host
