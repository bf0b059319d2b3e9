// ferry receive: guests from other hosts.
#include <unistd.h>

#include <memory>
#include <optional>

#include <fmt/format.h>

#include "error/error.h"
#include "error/run_main.h"
#include "host/confined_frames.h"
#include "host/cuttable_pipe.h"
#include "host/handed_job.h"
#include "host/receive_caller.h"
#include "host/receive_job.h"
#include "host/receive_server.h"
#include "host/stop_signals.h"
#include "host/tls_settings.h"
#include "network/listeners.h"
#include "network/tcp.h"
#include "settings/places.h"
#include "text/print.h"
#include "tools/ferry-host/commands.h"
#include "tools/ferry-host/setting_options.h"

namespace ferry::host {
namespace {

struct ReceiveArguments {
  bool stdio = false;
  bool trust_config = false;
  bool job = false;
  std::string jobs_at;
  Settings said;
};

bool is_confined() {
  if (place<"sandbox">() == "yes") return true;
  complain("ferry", "sandbox = no: what decodes connections has all the rights of this program");
  return false;
}

void receive_over_stdio(bool trusted, const OpenHost& open) {
  if (isatty(STDOUT_FILENO))
    fail(Errc::usage, "another ferry has to be at the other end: ferry migrate --via starts this");
  // Whoever ends us ends the link, and we leave in order. What the source has said by then counts.
  constexpr size_t kLastBytes = 64 << 10;
  std::optional<ConfinedFrames> decoded;
  if (is_confined() && ConfinedFrames::possible()) decoded.emplace(STDIN_FILENO);
  Cutter cutter;
  const SignalsHappen stop(cutter.descriptor());
  CuttableSource in(decoded ? decoded->plain() : STDIN_FILENO, cutter, kLastBytes);
  CuttableSink out(STDOUT_FILENO, cutter);
  Link link(in, out);
  if (decoded) link.read_plain_form();
  const v1::MigrateFrame first = first_frame(link);
  const auto host = open();
  tell(receive_counted(link, first, {"standard input", {}}, receive_host(*host, trusted)));
}

void tell_where(const std::vector<Descriptor>& listeners) {
  for (const Descriptor& listener : listeners)
    print_report("listening at {}\n", own_end_of(listener.get()));
}

KnownSources sources_in(const Settings& settings) {
  const std::vector<std::string> none;
  return {settings.find<"receive_from">().value_or(none),
          settings.find<"trust_config_from">().value_or(none)};
}

void receive_over_tcp(const Settings& settings, const std::string& jobs_at, const OpenHost& open) {
  TlsContext{tls_files()};  // what is wrong with them is said now, not at the first guest
  const ReceiveCalls how = {sources_in(settings), jobs_at, is_confined()};
  std::vector<Descriptor> listeners = open_listeners(parse_address(settings.get<"listen">()));
  tell_where(listeners);
  ReceiveServer server(std::move(listeners), [&](Descriptor socket, Descriptor control) {
    return serve_connection(std::move(socket), std::move(control), how, open);
  });
  server.run();
}

}  // namespace

void add_receive_command(Command app, const Settings& settings, OpenHost open) {
  auto arguments = std::make_shared<ReceiveArguments>();
  Command command = app.add_command("receive", "Receive guests from other hosts");
  command.footer(
      "Over TLS 1.3 with certificates on both sides (docs/migration.md), on port 8002 or the\n"
      "sockets that systemd opened; or, with --stdio, for one guest that ferry migrate --via "
      "sends.\n"
      "\nExample:\n  ferry receive --allow host1.example");
  Option stdio =
      command.add_flag("--stdio", arguments->stdio, "One guest, over standard input and output");
  command
      .add_flag("--trust-config", arguments->trust_config,
                "With --stdio: take any configuration of the guest, whatever programs, files and "
                "devices it names")
      .needs(stdio);
  Option jobs = command.add_option(
      "--jobs", arguments->jobs_at,
      "Hand each job to whatever listens at this socket, as ferry-job.socket does: this program "
      "then needs no rights");
  Option job = command.add_flag(
      "--job", arguments->job, "Serve the one job that was handed over there (ferry-job@.service)");
  stdio.excludes(jobs).excludes(job);
  job.excludes(jobs);
  const std::vector<Option> over_tcp = add_settings(command, kReceive, arguments->said);
  for (Option option : over_tcp) option.excludes(stdio);
  command.callback([arguments, settings, open = std::move(open)] {
    const Settings all = arguments->said.over(settings);
    if (arguments->stdio) return receive_over_stdio(arguments->trust_config, open);
    if (arguments->job) return serve_handed_job(started_for(), sources_in(all), open);
    receive_over_tcp(all, arguments->jobs_at, open);
  });
}

}  // namespace ferry::host
