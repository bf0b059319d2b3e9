// ferry migrate: a running guest to another host.
#include <cstdio>
#include <memory>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "error/error.h"
#include "migrate/send_guest.h"
#include "tools/host/commands.h"
#include "tools/host/engine.h"
#include "tools/host/live_options.h"
#include "tools/host/progress_line.h"
#include "tools/host/via.h"
#include "xen/libxl_lifecycle.h"

namespace ferry::host {
namespace {

struct Arguments {
  std::string domain, via;
  bool json = false, quiet = false;
  EngineOptions engine;
  LiveOptions live;
};

void print(const Arguments& arguments, const SendReport& report) {
  if (arguments.json) {
    const nlohmann::ordered_json result = {{"domain", report.name},
                                           {"domid", raw(report.domid)},
                                           {"stream_bytes", report.stream_bytes},
                                           {"away_seconds", report.away_seconds}};
    fmt::print("{}\n", result.dump(2));
  } else if (!arguments.quiet) {
    fmt::print("migrated {}: {} bytes sent, {:.2f} s from its suspension until it ran there\n",
               report.name, report.stream_bytes, report.away_seconds);
  }
}

void migrate(const Arguments& arguments) {
  Hypervisor xen;
  LibxlLifecycle life;
  ProgressLine line(arguments.quiet || arguments.json);
  Via via(arguments.via);
  std::optional<SignalsTo> handing_over;
  const StreamEngine engine = [&](domid_t domid, int fd, const std::function<bool()>& suspend) {
    EngineCallbacks callbacks;
    callbacks.suspend = suspend;
    callbacks.progress = [&](const std::string& what, uint64_t done, uint64_t total) {
      line.update(what, done, total);
    };
    EngineOptions options = arguments.engine;
    options.live = settings_of(arguments.live);
    run_save_engine(domid, fd, options, callbacks);
    handing_over.emplace(via.pid());  // from now on Ctrl-C cuts the link
  };
  const SendReport report =
      send_guest(xen, life, engine, via.link(), {arguments.domain, arguments.via});
  line.finish();
  print(arguments, report);
}

}  // namespace

void add_migrate_command(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("migrate", "Move a running PV guest to another host");
  command->footer(
      "The guest is destroyed here only once the other host has said that it runs there.\n"
      "If anything fails before it was given away, it runs on here. If the link breaks after "
      "that,\n"
      "it runs on neither host by itself until ferry job resume has asked the other one.\n"
      "\nExample:\n  ferry migrate web1 --via 'ssh host2 ferry receive --stdio'");
  command->add_option("DOMAIN", arguments->domain, "Name or number of the domain")->required();
  command
      ->add_option("--via", arguments->via,
                   "Command whose standard input and output reach ferry receive --stdio there")
      ->required();
  command->add_option("--level", arguments->engine.level, "zstd level, 0 for none (default 2)")
      ->check(CLI::Range(0, 19));
  command->add_option("--threads", arguments->engine.threads, "Threads to use")
      ->check(CLI::Range(1, 256));
  add_live_options(*command, arguments->live);
  command
      ->add_option("--events", arguments->engine.events,
                   "Descriptor that gets progress as JSON Lines")
      ->check(CLI::Range(1, 1 << 20));
  command->add_flag("--json", arguments->json, "Print the result as JSON");
  command->add_flag("--quiet", arguments->quiet, "Print errors only");
  command->callback([arguments] { migrate(*arguments); });
}

}  // namespace ferry::host
