// ferry-sim restore: a guest from a file, on the simulated host.
#include <sys/mman.h>

#include <cerrno>
#include <memory>
#include <optional>
#include <thread>

#include <fmt/format.h>

#include "config/config_record.h"
#include "config/image_stream.h"
#include "delta/image_files.h"
#include "delta/squash.h"
#include "error/error.h"
#include "files/save_target.h"
#include "host/operator_config.h"
#include "host/restore_config.h"
#include "io/byte_stream.h"
#include "io/descriptor.h"
#include "proto/image_file.h"
#include "sim_toolstack/restore_guest.h"
#include "text/print.h"
#include "text/printable.h"
#include "tools/ferry-host/restore_options.h"
#include "tools/ferry-sim/commands.h"
#include "tools/ferry-sim/sim_host.h"

namespace ferry::sim {
namespace {

struct RestoreArguments : host::RestoreAs {
  std::string config_file;
  std::vector<std::string> bases;  // of a delta
  bool paused = false, dry_run = false;
};

// What comes in as a stream is read by and by.
struct Stream {
  explicit Stream(Descriptor opened) : from(std::move(opened)) {}
  Descriptor from;
  FdSource bytes{from.get(), "the image"};
  ImageStream image{bytes};
};

// A chain of deltas as one image, in memory that goes with the source.
std::unique_ptr<ByteSource> squashed(const ImageFile& chain) {
  const Descriptor memory(memfd_create("ferry-chain", MFD_CLOEXEC));
  if (!memory) fail_errno(Errc::no_memory, errno, "there is no memory for the chain");
  FdSink sink(memory.get(), "memory");
  delta::squash(chain, sink, *make_thread_executor(2), 0);
  const InputFile file(fmt::format("/proc/self/fd/{}", memory.get()));
  return std::make_unique<FileSource>(file, 0, file.size());
}

void restore(const std::string& path, RestoreArguments& arguments) {
  std::optional<Stream> stream;
  std::unique_ptr<ByteSource> in_file;
  SavedConfig saved;
  if (is_stream(arguments.file)) {
    stream.emplace(host::open_stream(arguments.file));
    saved = stream->image.config();
  } else {
    const ImageFile image = delta::ImageFiles(arguments.file, arguments.bases).open();
    saved = saved_config(image);
    in_file = arguments.bases.empty() ? image.stream() : squashed(image);
  }
  if (!arguments.config_file.empty())
    arguments.config = host::operator_config(arguments.config_file);
  host::RestoreConfig config = host::restore_config(saved, arguments);
  host::tell_dropped(config);
  SimHost host(path, !arguments.dry_run);
  host::refuse_second_copy(config, host.life(), arguments);
  if (arguments.dry_run)
    return host::tell_dry_run(config, arguments, saved.guest_pages * kPageSize,
                              arguments.paused || saved.paused);
  const auto executor = make_thread_executor(std::max(1u, std::thread::hardware_concurrency() / 2));
  ByteSource& image = stream ? static_cast<ByteSource&>(stream->image) : *in_file;
  const RestoredGuest guest = restore_guest(host.xen(), host.life(), config.header.config, image,
                                            *executor, arguments.paused || saved.paused);
  print_report("restored {} as domain {}: {} bytes of guest\n",
               printable(host.life().name(guest.domid)), static_cast<unsigned>(guest.domid),
               guest.guest_bytes);
}

}  // namespace

void add_restore_command(Command app, HostPath host) {
  auto arguments = std::make_shared<RestoreArguments>();
  Command command = app.add_command("restore", "Restore a guest from a file");
  command.footer("Example:\n  ferry-sim restore web1.ferry");
  command.add_option("FILE", arguments->file, "The image; - is standard input").required();
  host::add_base_option(command, arguments->bases);
  command.add_option("--name", arguments->name, "Another name for the guest");
  command.add_flag("--paused", arguments->paused,
                   "Leave it paused (as one that was paused when it was saved)");
  Option trust = command.add_flag("--trust-config", arguments->trust_config,
                                  "Take the image's configuration, whatever it names");
  command.add_option("--config", arguments->config_file, "Take this one instead, libxl's JSON")
      .excludes(trust);
  host::add_memory_option(command, *arguments);
  host::add_dry_run_option(command, arguments->dry_run);
  command.add_flag("--force", arguments->force, "Also if the guest is on this host already");
  command.callback([arguments, host] { restore(*host, *arguments); });
}

}  // namespace ferry::sim
