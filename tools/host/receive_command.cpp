// ferry receive: a guest from another host, over standard input and output.
#include <unistd.h>

#include <cstdio>
#include <memory>

#include <fmt/format.h>

#include "error/error.h"
#include "tools/host/commands.h"
#include "tools/host/xl_incoming.h"
#include "xen/libxl_lifecycle.h"

namespace ferry::host {
namespace {

void tell(const ReceiveReport& report) {
  const std::string& name = report.job.name;
  switch (report.what) {
    case Received::runs:
      fmt::print(stderr, "{} runs here\n", name);
      return;
    case Received::never_ran:
      fail(Errc::aborted, "{} did not come: {}", name,
           report.reason.empty() ? "its source keeps it" : report.reason);
    case Received::held:
      fail(Errc::needs_operator,
           "{} is whole and paused here, but the link broke before its source gave it away; it is "
           "settled when the source calls again; on the source, try: ferry job resume {}",
           name, report.job.id);
    case Received::unknown:
      fail(
          Errc::needs_operator,
          "{} was about to run here when this host went down: nobody knows whether it did; look at "
          "its disks, then settle job {} on its source",
          name, report.job.id);
  }
}

void receive() {
  if (isatty(STDOUT_FILENO))
    fail(Errc::usage, "another ferry has to be at the other end: ferry migrate --via starts this");
  LibxlLifecycle life;
  FdSource in(STDIN_FILENO, "the source");
  FdSink out(STDOUT_FILENO, "the source");
  Link link(in, out);
  tell(receive_guest(link, "standard input", [&](const MigrationJob& job) {
    return std::make_unique<XlIncoming>(life, job.name);
  }));
}

}  // namespace

void add_receive_command(CLI::App& app) {
  auto stdio = std::make_shared<bool>(false);
  CLI::App* command = app.add_subcommand("receive", "Receive a guest from another host");
  command->footer(
      "Started by ferry migrate on the other host.\n"
      "\nExample, there:\n  ferry migrate web1 --via 'ssh thishost ferry receive --stdio'");
  command->add_flag("--stdio", *stdio, "Over standard input and output")->required();
  command->callback(receive);
}

}  // namespace ferry::host
