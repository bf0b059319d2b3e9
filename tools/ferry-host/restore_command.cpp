// ferry restore: a domain from a file, through xl, so that reboot, shutdown and devices stay xl's.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <memory>
#include <optional>
#include <thread>

#include <fmt/format.h>

#include "delta/image_files.h"
#include "error/error.h"
#include "files/save_target.h"
#include "host/child.h"
#include "host/engine.h"
#include "host/metrics.h"
#include "host/operator_config.h"
#include "host/restore_config.h"
#include "host/stop_signals.h"
#include "proto/xl_wrapper.h"
#include "settings/places.h"
#include "text/print.h"
#include "text/printable.h"
#include "tools/ferry-host/commands.h"
#include "tools/ferry-host/restore_options.h"
#include "tools/ferry-host/saved_file.h"
#include "tools/ferry-host/saved_stream.h"
#include "tools/ferry-host/squashed_chain.h"
#include "xen/hypervisor.h"
#include "xen/libxl_lifecycle.h"

namespace ferry::host {
namespace {

struct RestoreArguments : RestoreAs {
  std::string config_file;
  std::vector<std::string> bases;  // of a delta
  bool paused = false, dry_run = false;
  uint64_t guest_pages = 0;  // of the guest, as the image says
};

constexpr size_t kCopyStep = 1 << 20;

// What xl restore reads from.
struct XlPipe {
  XlPipe() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) fail_errno(Errc::io, errno, "cannot make a pipe");
    for_xl.reset(ends[0]);
    ours.reset(ends[1]);
  }
  Descriptor for_xl, ours;
};

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

// xl, and in a thread beside it what feeds it. xl_ended: for who feeds it still.
int run_xl(XlPipe& pipe, const RestoreArguments& arguments, const std::function<void()>& feed_xl,
           const std::function<void()>& xl_ended) {
  std::vector<std::string> command = {place<"xl">(), "restore"};
  if (arguments.paused) command.push_back("-p");
  command.push_back(fmt::format("/proc/self/fd/{}", pipe.for_xl.get()));
  Child child(command, environment_of_xl(), {pipe.for_xl.get()}, Child::Pipes::none);
  pipe.for_xl.reset();
  const SignalsTo stop(child.pid());
  std::exception_ptr failure;
  std::thread feeder([&] {
    try {
      feed_xl();
    } catch (...) {
      failure = std::current_exception();
    }
    pipe.ours.reset();
  });
  const int status = child.wait();
  xl_ended();
  feeder.join();
  if (failure) std::rethrow_exception(failure);
  return status;
}

// A guest may end as soon as it runs: it was restored all the same.
void print_restored(Lifecycle& life, const std::string& name, bool paused) {
  try {
    print_report("restored {} as domain {}{}\n", printable(name), raw(life.find(name)),
                 paused ? ", paused" : "");
  } catch (const Error& e) {
    if (e.code() != Errc::no_domain) throw;
    print_report("restored {}, which has ended since\n", printable(name));
  }
}

// Nothing of Xen is open before and after: the file is read by processes that have a copy of this.
void check_here(RestoreConfig& config, const RestoreArguments& arguments) {
  Hypervisor xen;
  LibxlLifecycle life;
  refuse_second_copy(config, life, arguments);
}

RestoreConfig config_for(const SavedConfig& saved, RestoreArguments& arguments) {
  if (!arguments.config_file.empty()) arguments.config = operator_config(arguments.config_file);
  RestoreConfig config = restore_config(saved, arguments);
  arguments.paused = arguments.paused || saved.paused;
  arguments.guest_pages = saved.guest_pages;
  tell_dropped(config);
  check_here(config, arguments);
  return config;
}

[[noreturn]] void fail_of_xl(int status, std::string_view image) {
  fail(Errc::internal, "xl restore failed ({}); its messages are above{}",
       WIFSIGNALED(status) ? fmt::format("signal {}", WTERMSIG(status))
                           : fmt::format("exit status {}", WEXITSTATUS(status)),
       image);
}

RestoreConfig restore_file(RestoreArguments& arguments, bool confined) {
  SavedFile file(arguments.file, confined);
  RestoreConfig config = config_for(file.read(), arguments);
  if (arguments.dry_run) return config;
  XlPipe pipe;
  const auto feed_xl = [&] { feed(file.image(), config.header, pipe.ours.get()); };
  const int status = run_xl(pipe, arguments, feed_xl, [] {});
  if (status != 0) {
    file.blame();
    fail_of_xl(status, ", the image itself is sound");
  }
  return config;
}

RestoreConfig restore_stream(RestoreArguments& arguments, bool confined) {
  const bool input = arguments.file == "-";
  Descriptor from = open_stream(arguments.file);
  if (input) arguments.file = "standard input";
  SavedStream stream(std::move(from), arguments.file, confined);
  RestoreConfig config = config_for(stream.read(), arguments);
  if (arguments.dry_run) return config;
  XlPipe pipe;
  const auto feed_xl = [&] { stream.feed(config.header, pipe.ours.get()); };
  const int status = run_xl(pipe, arguments, feed_xl, [&] { stream.stop(); });
  if (status != 0) fail_of_xl(status, "");
  return config;
}

// A delta comes in as a stream, too: of what it and its bases are together.
RestoreConfig restore_chain(RestoreArguments& arguments, bool confined) {
  if (is_stream(arguments.file))
    fail(Errc::usage, "a delta is read from its end: it has to be in a file");
  const delta::ImageFiles files(arguments.file, arguments.bases);
  SquashedChain chain(files, confined);
  std::optional<SavedStream> stream;
  try {
    stream.emplace(chain.image(), arguments.file, confined);
    RestoreConfig config = config_for(stream->read(), arguments);
    if (arguments.dry_run) return config;
    XlPipe pipe;
    const auto feed_xl = [&] { stream->feed(config.header, pipe.ours.get()); };
    const int status = run_xl(pipe, arguments, feed_xl, [&] { stream->stop(); });
    if (status != 0) fail_of_xl(status, "");
    return config;
  } catch (const Error&) {
    stream.reset();  // so that whoever writes it ends
    chain.throw_if_failed();
    throw;
  }
}

RestoreConfig restore_from(RestoreArguments& arguments, bool confined) {
  if (!arguments.bases.empty()) return restore_chain(arguments, confined);
  return is_stream(arguments.file) ? restore_stream(arguments, confined)
                                   : restore_file(arguments, confined);
}

void restore(RestoreArguments& arguments, bool confined) {
  if (arguments.dry_run) {
    const RestoreConfig config = restore_from(arguments, confined);
    return tell_dry_run(config, arguments, arguments.guest_pages * kPageSize, arguments.paused);
  }
  const RestoreConfig config = counted("restore", [&](CommandRun& run) {
    auto made = restore_from(arguments, confined);
    run.guest_bytes = arguments.guest_pages * kPageSize;
    return made;
  });
  LibxlLifecycle life;
  print_restored(life, config.json["c_info"].value("name", std::string()), arguments.paused);
}

}  // namespace

void add_restore_command(Command app, const Settings& settings) {
  auto arguments = std::make_shared<RestoreArguments>();
  Command command = app.add_command("restore", "Restore a PV guest from a file");
  command.footer(
      "Takes what ferry save wrote, and what xl save wrote with ferry's helper: a file, a block\n"
      "device, a FIFO, or - for standard input. Of what comes in as a stream the guest's\n"
      "configuration has to come first, as ferry and xl write it.\n"
      "An image that another host saved is restored with ordinary disks, networks and kernels "
      "only\n(docs/trust.md).\n"
      "A delta (ferry save --base) is restored with what it builds upon: --base, and a folder "
      "that\n"
      "has it, or the files, the oldest first.\n"
      "With --dry-run nothing is made: what stands in the way of a restore here is said, or what "
      "it\n"
      "would make. Whether each page is sound, ferry audit says.\n"
      "\nExample:\n  ferry restore /var/lib/xen/save/web1.ferry\n"
      "  ferry restore --base /var/backups/web1 /var/backups/web1/tuesday.ferry\n"
      "  age -d -i key web1.age | ferry restore -");
  command.add_option("FILE", arguments->file, "The saved guest; - is standard input").required();
  add_base_option(command, arguments->bases);
  command.add_flag("--paused", arguments->paused,
                   "Leave the guest paused (as one that was paused when it was saved)");
  command.add_option("--name", arguments->name, "Give the domain another name");
  Option trust = command.add_flag(
      "--trust-config", arguments->trust_config,
      "Take the image's configuration, whatever programs, files and devices it names");
  command
      .add_option("--config", arguments->config_file,
                  "Take this one instead: as for xl create, or libxl's JSON")
      .type_name("CONFIG")
      .excludes(trust);
  command.add_flag("--force", arguments->force,
                   "Restore even if the guest is still here, or a migration of it not settled");
  add_memory_option(command, *arguments);
  add_dry_run_option(command, arguments->dry_run);
  command.callback(
      [arguments, &settings] { restore(*arguments, settings.get<"sandbox">() == "yes"); });
}

}  // namespace ferry::host
