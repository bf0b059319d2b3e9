// ferry migrate: a running guest to another host.
#include <signal.h>
#include <unistd.h>

#include <memory>
#include <optional>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "config/json_text.h"
#include "error/error.h"
#include "host/control_socket.h"
#include "host/metrics.h"
#include "host/other_host.h"
#include "host/stop_signals.h"
#include "migrate/guest_here.h"
#include "migrate/send_guest.h"
#include "text/print.h"
#include "text/printable.h"
#include "tools/ferry-host/commands.h"
#include "tools/ferry-host/progress_line.h"
#include "tools/ferry-host/setting_options.h"

namespace ferry::host {
namespace {

struct MigrateArguments {
  std::string domain, host, via;
  bool json = false, quiet = false;
  Settings said;
};

void print(const MigrateArguments& arguments, const SendReport& report) {
  if (arguments.json) {
    const nlohmann::ordered_json result = {{"domain", report.name},
                                           {"domid", raw(report.domid)},
                                           {"stream_bytes", report.stream_bytes},
                                           {"away_seconds", report.away_seconds}};
    print_report("{}\n", json_text(result));
  } else if (!arguments.quiet) {
    print_report("migrated {}: {} bytes sent, {:.2f} s from its suspension until it {} there\n",
                 printable(report.name), report.stream_bytes, report.away_seconds,
                 report.paused ? "was paused" : "ran");
  }
}

// A migration whose other side has not answered yet, for ferry job cancel.
class Cancellable {
 public:
  explicit Cancellable(domid_t domid) {
    LiveProgress waiting;
    waiting.phase = "waiting for the other host";
    try {
      socket_.emplace(control_path(domid), control_, [] { kill(getpid(), SIGTERM); });
      socket_->update(waiting);
    } catch (const Error&) {
      // It cannot be told that way, and goes on all the same.
    }
  }

 private:
  LiveControl control_;
  std::optional<helper::ControlSocket> socket_;
};

SendReport migrate(const MigrateArguments& arguments, const Settings& settings, ThisHost& host) {
  ProgressLine line(arguments.quiet || arguments.json);
  SendRequest request{arguments.domain, peer_named(arguments.host, arguments.via)};
  const auto other = call(request.peer, arguments.quiet || arguments.json);
  request.peer.names = other->names();
  request.streams = static_cast<uint32_t>(settings.get<"streams">());
  request.open_stream = [&](uint32_t stream) { return other->open_stream(stream); };
  bool greeting = true;
  std::unique_ptr<OtherHost::CutOnSignals> cut = other->cut_on_signals();
  request.limits = handover_limits(settings);
  request.while_greeting = [](domid_t domid) { return std::make_shared<Cancellable>(domid); };
  const StreamEngine engine = [&](const StreamOrder& order) {
    greeting = false;
    cut.reset();  // the engine hears of signals itself
    EngineCallbacks callbacks;
    callbacks.suspend = order.suspend;
    callbacks.progress = [&](const std::string& what, uint64_t done, uint64_t total) {
      line.update(what, done, total);
    };
    const EngineOptions options{
        .settings = settings, .live = true, .lock = order.lock, .migration = true};
    host.engine()(order.domid, order.fd, options, callbacks);
    cut = other->cut_on_signals();
  };
  const SendReport report = [&] {
    try {
      return send_guest(host.xen(), host.life(), engine, other->link(), request);
    } catch (const Error& e) {
      if (!greeting || !a_stop_signal_came()) throw;
      const DomainInfo domain = get_domain(host.xen(), host.life().find(arguments.domain));
      fail(Errc::aborted, "the migration was told to stop before it began; {}",
           stays_here(domain, arguments.domain));
    }
  }();
  line.finish();
  print(arguments, report);
  return report;
}

}  // namespace

void add_migrate_command(Command app, const Settings& settings, OpenHost open) {
  auto arguments = std::make_shared<MigrateArguments>();
  Command command = app.add_command("migrate", "Move a running PV guest to another host");
  command.footer(
      "The guest is destroyed here only once the other host has said that it runs there.\n"
      "If anything fails before it was given away, it runs on here. If the link breaks after "
      "that,\n"
      "it runs on neither host by itself until ferry job resume has asked the other one.\n"
      "\nExamples:\n  ferry migrate web1 host2.example\n"
      "  ferry migrate web1 --via 'ssh host2 ferry receive --stdio'");
  command.add_option("DOMAIN", arguments->domain, "Name or number of the domain").required();
  Option host = command.add_option(
      "HOST", arguments->host,
      "The other host, where ferry receive listens: HOST or HOST:PORT, as its certificate says");
  command
      .add_option("--via", arguments->via,
                  "Instead of HOST: a command whose standard input and output reach ferry receive "
                  "--stdio there")
      .excludes(host);
  add_settings(command, kMigrate, arguments->said);
  command.add_flag("--json", arguments->json, "Print the result as JSON");
  command.add_flag("--quiet", arguments->quiet, "Print errors only");
  command.callback([arguments, settings, open = std::move(open)] {
    counted("migrate", [&](CommandRun& run) {
      const SendReport report = migrate(*arguments, arguments->said.over(settings), *open());
      run.guest_bytes = report.guest_bytes;
      run.image_bytes = report.stream_bytes;
      run.downtime = report.away_seconds;
      return 0;
    });
  });
}

}  // namespace ferry::host
