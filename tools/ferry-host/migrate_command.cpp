// ferry migrate: a running guest to another host.
#include <cstdio>
#include <memory>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "error/error.h"
#include "host/other_host.h"
#include "migrate/send_guest.h"
#include "tools/ferry-host/commands.h"
#include "tools/ferry-host/live_options.h"
#include "tools/ferry-host/progress_line.h"

namespace ferry::host {
namespace {

struct Arguments {
  std::string domain, host, via;
  uint32_t streams = 1;
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

void migrate(const Arguments& arguments, ThisHost& host) {
  ProgressLine line(arguments.quiet || arguments.json);
  SendRequest request{arguments.domain, peer_named(arguments.host, arguments.via)};
  const auto other = call(request.peer);
  request.peer.names = other->names();
  request.streams = arguments.streams;
  request.open_stream = [&](uint32_t stream) { return other->open_stream(stream); };
  std::unique_ptr<OtherHost::CutOnSignals> handing_over;
  const StreamEngine engine = [&](domid_t domid, int fd, const std::function<bool()>& suspend) {
    EngineCallbacks callbacks;
    callbacks.suspend = suspend;
    callbacks.progress = [&](const std::string& what, uint64_t done, uint64_t total) {
      line.update(what, done, total);
    };
    EngineOptions options = arguments.engine;
    options.live = settings_of(arguments.live);
    host.engine()(domid, fd, options, callbacks);
    handing_over = other->cut_on_signals();
  };
  const SendReport report = send_guest(host.xen(), host.life(), engine, other->link(), request);
  line.finish();
  print(arguments, report);
}

}  // namespace

void add_migrate_command(CLI::App& app, OpenHost open) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("migrate", "Move a running PV guest to another host");
  command->footer(
      "The guest is destroyed here only once the other host has said that it runs there.\n"
      "If anything fails before it was given away, it runs on here. If the link breaks after "
      "that,\n"
      "it runs on neither host by itself until ferry job resume has asked the other one.\n"
      "\nExamples:\n  ferry migrate web1 host2.example\n"
      "  ferry migrate web1 --via 'ssh host2 ferry receive --stdio'");
  command->add_option("DOMAIN", arguments->domain, "Name or number of the domain")->required();
  auto* host = command->add_option(
      "HOST", arguments->host,
      "The other host, where ferry receive listens: HOST or HOST:PORT, as its certificate says");
  command
      ->add_option("--via", arguments->via,
                   "Instead of HOST: a command whose standard input and output reach ferry receive "
                   "--stdio there")
      ->excludes(host);
  command
      ->add_option("--streams", arguments->streams,
                   "Connections to HOST at once (default 1): where one CPU cannot encrypt fast "
                   "enough")
      ->envname("FERRY_STREAMS")
      ->check(CLI::Range(1, 16));
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
  command->callback([arguments, open = std::move(open)] { migrate(*arguments, *open()); });
}

}  // namespace ferry::host
