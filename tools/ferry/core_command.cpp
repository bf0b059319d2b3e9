// ferry core: a guest as an ELF core for Linux's own tools.
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <thread>

#include "config/json_text.h"
#include "evidence/core.h"
#include "evidence/guest_pages.h"
#include "files/image_output.h"
#include "text/human_bytes.h"
#include "text/printable.h"
#include "text/say.h"
#include "tools/ferry/commands.h"
#include "tools/ferry/output.h"
#include "tools/ferry/reader.h"

namespace ferry {
namespace {

using nlohmann::ordered_json;

struct CoreArguments {
  std::string image, to;
  bool as_is = false;
  unsigned threads = std::clamp(std::thread::hardware_concurrency(), 1u, evidence::kMostThreads);
  bool json = false;
  std::vector<std::string> bases;
  std::string via;
  bool no_sandbox = false;
};

using Seen = std::optional<borrow::Seen>;  // of a running guest

std::string as_json(const CoreArguments& arguments, const evidence::Core& core, const Seen& seen) {
  ordered_json json = {{"file", arguments.to}, {"bytes", core.bytes},
                       {"pages", core.pages},  {"ranges", core.ranges},
                       {"vcpus", core.vcpus},  {"direct_map", core.direct_map}};
  if (core.vmcoreinfo_pfn) {
    json["vmcoreinfo_pfn"] = *core.vmcoreinfo_pfn;
    json["release"] = core.release;
  }
  if (core.hidden_address)
    json["xen_start_info_shown_as_zero"] = fmt::format("{:#x}", *core.hidden_address);
  if (seen) {
    json["one_moment"] = seen->one_moment;
    json["lost_pages"] = seen->lost_pages;
    json["lost_entries"] = seen->lost_entries;
  }
  return json_text(json) + "\n";
}

std::string as_text(const CoreArguments& arguments, const evidence::Core& core, const Seen& seen) {
  std::string text = fmt::format("{}: {} of core, {} pages with a frame, {} vCPUs\n", arguments.to,
                                 human_bytes(core.bytes), core.pages, core.vcpus);
  if (core.vmcoreinfo_pfn)
    text += fmt::format("Linux {}, whose VMCOREINFO is at pfn {:#x}\n", printable(core.release),
                        *core.vmcoreinfo_pfn);
  else
    text +=
        "no VMCOREINFO was found: tools that need it will not know this kernel, if it is Linux\n";
  if (!core.direct_map) text += "no direct map of Linux was found: virtual addresses are 0\n";
  if (core.hidden_address)
    text += fmt::format("xen_start_info, at {:#x}, is shown as zero (--as-is leaves it)\n",
                        *core.hidden_address);
  else if (!arguments.as_is)
    text += "xen_start_info was not found: crash may want a core of another format\n";
  return seen ? text + in_words(arguments.image, *seen) : text;
}

// What there is to say of it; of a core that went to standard output, only what it lacks.
std::string make_core(const CoreArguments& arguments, const GuestSource& guest, int fd) {
  const ImageFile image = guest.open();
  const evidence::CoreOptions options{.as_is = arguments.as_is};
  const std::unique_ptr<Executor> executor = make_thread_executor(arguments.threads);
  if (arguments.to == "-") {
    FdSink sink(fd, "standard output");
    evidence::StreamedFile streamed(sink);
    evidence::write_core(image, options, streamed, *executor);
    const Seen seen = guest.seen();
    return seen ? in_words(arguments.image, *seen) : std::string();
  }
  evidence::SparseFile sparse(fd, arguments.to);
  const evidence::Core core = evidence::write_core(image, options, sparse, *executor);
  const Seen seen = guest.seen();
  return arguments.json ? as_json(arguments, core, seen) : as_text(arguments, core, seen);
}

// Into a file that appears whole or not.
Exit run_core(const CoreArguments& arguments) {
  if (arguments.to == "-" && ::isatty(STDOUT_FILENO) == 1)
    fail(Errc::usage, "a core is nothing for a terminal: send it into a pipe or a file");
  const GuestSource guest({arguments.image, arguments.bases, arguments.via});
  check_other_file(arguments.image, arguments.to);
  ImageOutput output(arguments.to);
  const sandbox::Done done =
      read_confined(guest, arguments.no_sandbox, [&](const sandbox::Confinement&) {
        return sandbox::Done{Exit::done, make_core(arguments, guest, output.fd())};
      });
  if (done.exit != Exit::done) return done.exit;
  output.commit();
  if (arguments.to == "-")
    say(done.report);
  else
    print(done.report);
  return Exit::done;
}

}  // namespace

void add_core_command(Command ferry, Exit& exit) {
  auto arguments = std::make_shared<CoreArguments>();
  Command command = ferry.add_command("core", "Write an ELF core of a guest, for tools of Linux");
  command.footer(
      "Example: ferry core web1.ferry web1.core\n"
      "         makedumpfile --dump-dmesg web1.core web1.log\n"
      "         ferry core web1.ferry - | zstd >web1.core.zst\n"
      "         ferry core web1 web1.core\n"
      "It looks like /proc/vmcore: pages by pfn, the registers of each vCPU, VMCOREINFO as the "
      "kernel\n"
      "has it in its memory. Page tables are in pfn form. Zero pages take no room in a file. This "
      "is "
      "the\n"
      "guest's memory: it may hold its secrets. A running guest runs on meanwhile, and its core is "
      "not of\n"
      "one moment then; of one that is paused it is.");
  command.add_option("FILE", arguments->image, kGuestOrImage).required();
  command.add_option("CORE", arguments->to, "File to write, mode 0600, or - for standard output")
      .required();
  command.add_flag("--as-is", arguments->as_is,
                   "Leave xen_start_info as it is, which crash would not take");
  command.add_option("--threads", arguments->threads, "Worker threads (default: one a core)")
      .in_range(1u, evidence::kMostThreads)
      .type_name("N");
  command.add_flag("--json", arguments->json, "Print JSON");
  add_bases(command, arguments->bases);
  add_via(command, arguments->via);
  add_no_sandbox(command, arguments->no_sandbox);
  command.callback([arguments, &exit] { exit = run_core(*arguments); });
}

}  // namespace ferry
