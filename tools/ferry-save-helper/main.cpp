// ferry-save-helper: in place of libxl's own save helper (LIBXL_SAVE_HELPER).
#include <signal.h>
#include <unistd.h>

#include <charconv>
#include <cstring>
#include <string_view>

#include "error/run_main.h"
#include "host/metrics.h"
#include "host/report.h"
#include "host/stock_helper.h"
#include "settings/conf.h"
#include "settings/places.h"
#include "text/print.h"
#include "text/say.h"
#include "tools/ferry-save-helper/keeper.h"
#include "tools/ferry-save-helper/releaser.h"
#include "tools/ferry-save-helper/restore_mode.h"
#include "tools/ferry-save-helper/save_mode.h"
#include "xen/release.h"

namespace ferry::helper {
namespace {

constexpr std::string_view kUsage =
    "ferry-save-helper is started by xl and libvirt, not by hand.\n"
    "Put it in place of Xen's own with\n"
    "  LIBXL_SAVE_HELPER=/path/to/ferry-save-helper xl save DOMAIN FILE\n"
    "Settings come from the environment and /etc/ferry/ferry.conf (docs/host.md).\n";

constexpr int kSaveArguments = 8;  // with program name and --save-domain
constexpr int kKeeperArguments = 6;
constexpr int kLeastReleaserArguments = 6;
constexpr int kRestoreArguments = 11;  // with program name and --restore-domain

template <typename T = uint32_t>
T number(const char* text) {
  T value{};
  const char* end = text + std::strlen(text);
  auto [rest, problem] = std::from_chars(text, end, value);
  if (problem != std::errc() || rest != end)
    fail(Errc::usage, "\"{}\" is no number; ferry-save-helper is for the libxl of Xen {}", text,
         xen_release());
  return value;
}

SaveArguments save_arguments(char** argv) {
  SaveArguments arguments;
  arguments.io_fd = number<int>(argv[2]);
  arguments.domid = domid_t{number<uint16_t>(argv[4])};
  arguments.flags = number(argv[5]);
  arguments.stream_type = number(argv[7]);
  return arguments;
}

RestoreArguments restore_arguments(char** argv) {
  RestoreArguments arguments;
  arguments.io_fd = number<int>(argv[2]);
  arguments.target.domid = domid_t{number<uint16_t>(argv[4])};
  arguments.target.store_evtchn = number(argv[5]);
  arguments.target.store_domid = number(argv[6]);
  arguments.target.console_evtchn = number(argv[7]);
  arguments.target.console_domid = number(argv[8]);
  arguments.stream_type = number(argv[10]);
  return arguments;
}

// Where an operator wants Xen's own helper, or Xen another ferry.
void leave_all_to_stock_helper(char** argv, const Settings& settings) {
  if (settings.get<"engine">() == "stock") exec_stock_helper(argv);
  if (const auto running = other_xen()) {
    complain("ferry-save-helper",
             fmt::format("this host runs Xen {}, and ferry is for {}: Xen's own helper does it",
                         *running, xen_release()));
    exec_stock_helper_of(*running, argv);
  }
}

int run(int argc, char** argv, Channel& channel) {
  const Settings settings = read_settings();
  set_places(settings);
  host::keep_metrics_in(place<"metrics_dir">());
  const std::string_view mode = argc > 1 ? argv[1] : "";
  if (mode == "--save-domain" || mode == "--restore-domain")
    leave_all_to_stock_helper(argv, settings);
  if (mode == "--save-domain" && argc == kSaveArguments) {
    const SaveArguments arguments = save_arguments(argv);
    if (save_is_for_stock_helper(arguments)) exec_stock_helper(argv);
    return run_save(arguments, settings, channel);
  }
  if (mode == "--keep-lock" && argc == kKeeperArguments) return run_keeper(argv);
  if (mode == "--release-watchers" && argc >= kLeastReleaserArguments)
    return run_releaser(argc, argv);
  if (mode == "--restore-domain" && argc == kRestoreArguments) {
    if (const auto status = run_restore(restore_arguments(argv), settings, channel)) return *status;
    exec_stock_helper(argv);
  }
  if (mode == "--save-domain" || mode == "--restore-domain")
    fail(Errc::usage, "called with {} arguments; ferry-save-helper is for the libxl of Xen {}",
         argc - 1, xen_release());
  mode == "--help" ? answer_with(kUsage) : say(kUsage);
  return static_cast<int>(mode == "--help" ? Exit::done : Exit::usage);
}

int report_before_start(Channel& channel, const Error& error, bool restoring) {
  try {
    if (restoring) channel.restore_results(0, 0);
    report_failure(channel, error);
    return 0;
  } catch (const LibxlGone&) {
    return static_cast<int>(exit_code(error.code()));
  }
}

}  // namespace
}  // namespace ferry::helper

int main(int argc, char** argv) {
  using namespace ferry::helper;
  signal(SIGPIPE, SIG_IGN);
  Channel channel(STDOUT_FILENO, STDIN_FILENO);
  const bool restoring = argc > 1 && std::string_view(argv[1]) == "--restore-domain";
  // What goes wrong is said to libxl first, in its own protocol.
  return ferry::run_main("ferry-save-helper", [&] {
    try {
      return run(argc, argv, channel);
    } catch (const ferry::Error& e) {
      return report_before_start(channel, e, restoring);
    } catch (const std::exception& e) {
      return report_before_start(channel, ferry::Error(ferry::Errc::internal, e.what()), restoring);
    }
  });
}
