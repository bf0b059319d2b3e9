// ferry receive: guests from other hosts.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <sstream>

#include <fmt/format.h>

#include "error/error.h"
#include "host/receive_caller.h"
#include "host/receive_job.h"
#include "host/receive_server.h"
#include "host/tls_settings.h"
#include "network/listeners.h"
#include "tools/ferry-host/commands.h"

namespace ferry::host {
namespace {

struct Arguments {
  bool stdio = false;
  std::string listen;
  std::vector<std::string> allowed;
};

void receive_over_stdio(const OpenHost& open) {
  if (isatty(STDOUT_FILENO))
    fail(Errc::usage, "another ferry has to be at the other end: ferry migrate --via starts this");
  FdSource in(STDIN_FILENO, "the source");
  FdSink out(STDOUT_FILENO, "the source");
  Link link(in, out);
  const v1::MigrateFrame first = first_frame(link);
  const auto host = open();
  tell(receive_guest(link, first, {"standard input", {}}, receive_host(*host)));
}

// The value of FERRY_RECEIVE_FROM: names with commas or blanks between them.
std::vector<std::string> names_in(const char* list) {
  std::string text = list;
  for (char& c : text)
    if (c == ',') c = ' ';
  std::istringstream words(text);
  return {std::istream_iterator<std::string>(words), {}};
}

void receive_over_tcp(const Arguments& arguments, const OpenHost& open) {
  TlsContext{tls_files()};  // what is wrong with them is said now, not at the first guest
  std::vector<std::string> allowed = arguments.allowed;
  const char* from = std::getenv("FERRY_RECEIVE_FROM");
  if (allowed.empty() && from) allowed = names_in(from);
  const char* at = std::getenv("FERRY_LISTEN");
  const Address address = parse_address(!arguments.listen.empty() ? arguments.listen
                                        : at                      ? at
                                             : fmt::format(":{}", kDefaultPort));
  ReceiveServer server(open_listeners(address), [&](Descriptor socket, Descriptor control) {
    return serve_connection(std::move(socket), std::move(control), allowed, open);
  });
  server.run();
}

}  // namespace

void add_receive_command(CLI::App& app, OpenHost open) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("receive", "Receive guests from other hosts");
  command->footer(
      "Over TLS 1.3 with certificates on both sides (docs/migration.md), on port 8002 or the\n"
      "sockets that systemd opened; or, with --stdio, for one guest that ferry migrate --via "
      "sends.\n"
      "\nExample:\n  ferry receive --allow host1.example");
  auto* stdio =
      command->add_flag("--stdio", arguments->stdio, "One guest, over standard input and output");
  command->add_option("--listen", arguments->listen, "Address to listen at: HOST, HOST:PORT, :PORT")
      ->excludes(stdio);
  command
      ->add_option("--allow", arguments->allowed,
                   "Take guests only from a host of this name, as its certificate has it")
      ->excludes(stdio);
  command->callback([arguments, open = std::move(open)] {
    arguments->stdio ? receive_over_stdio(open) : receive_over_tcp(*arguments, open);
  });
}

}  // namespace ferry::host
