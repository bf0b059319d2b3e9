// Another host's ferry receive, and the connections to it.
#include "host/other_host.h"

#include <signal.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "error/error.h"
#include "host/child.h"
#include "host/cuttable_pipe.h"
#include "host/first_word.h"
#include "host/stop_signals.h"
#include "host/tls_settings.h"
#include "network/preamble.h"
#include "network/tcp.h"
#include "network/tls.h"
#include "settings/places.h"

namespace ferry::host {
namespace {

class CutSocket final : public OtherHost::CutOnSignals {
 public:
  explicit CutSocket(int socket) : signals_(socket) {}

 private:
  SignalsCut signals_;
};

// The addresses that other hosts are called at; any, where none are set.
std::optional<IpNetwork> migration_network() {
  const auto text = find_place<"migration_network">();
  if (!text) return std::nullopt;
  return IpNetwork::parse(*text, "migration_network");
}

// What it starts is in the command's group too: sh alone may not hand a signal on.
class CutCommand final : public OtherHost::CutOnSignals {
 public:
  CutCommand(pid_t group, const Cutter& cutter) : signals_(group, cutter.descriptor()) {}

 private:
  SignalsToGroup signals_;
};

// Over the standard input and output of a command, such as ssh.
class OverCommand final : public OtherHost {
 public:
  OverCommand(const std::string& command, bool quiet)
      : child_({"sh", "-c", command}, {}, {}, Child::Pipes::both, terminal_.descriptor()),
        first_(child_, terminal_, cutter_, quiet),
        pipe_(child_.output(), cutter_),
        in_(pipe_, first_),
        out_(child_.input(), cutter_),
        link_(
            in_, out_, [this] { child_.close_input(); }, [this] { cutter_.cut(); }) {}

  // Waits until the command has ended: the other side finishes what it has to, and sees the end of
  // its input for that. One that was cut is given less time, unless our last word is on its way;
  // one that does not end by itself is ended with all that it started. A receiver among that
  // settles its job first.
  ~OverCommand() override {
    first_.said();
    const auto within = !cutter_.is_cut()        ? kEndsWithin
                        : out_.wrote_last_word() ? kHandsOnWithin
                                                 : kCutWithin;
    if (child_.listen_to_its_end(within, kEndsWithin)) return;
    kill(-child_.pid(), SIGTERM);
    kill(-child_.pid(), SIGCONT);
    if (child_.listen_to_its_end(kDiesWithin, kDiesWithin)) return;
    kill(-child_.pid(), SIGKILL);
    child_.wait();
  }

  Link& link() override { return link_; }
  std::vector<std::string> names() override { return {}; }
  Link* open_stream(uint32_t) override {
    fail(Errc::usage, "a command carries one connection; several need the other host's name");
  }
  std::unique_ptr<CutOnSignals> cut_on_signals() override {
    return std::make_unique<CutCommand>(child_.pid(), cutter_);
  }

 private:
  static constexpr std::chrono::seconds kEndsWithin{30}, kHandsOnWithin{15}, kCutWithin{5},
      kDiesWithin{5};

  Cutter cutter_;
  LentTerminal terminal_;
  Child child_;
  FirstWord first_;
  CuttableSource pipe_;
  FirstWordSource in_;
  CuttableSink out_;
  Link link_;
};

class OverTls final : public OtherHost {
 public:
  explicit OverTls(const Address& address)
      : address_(address), network_(migration_network()), context_(tls_files()) {
    connect();
  }
  ~OverTls() override {
    for (const auto& stream : streams_) stream->tls->finish();
  }

  Link& link() override { return streams_.front()->link; }
  std::vector<std::string> names() override { return streams_.front()->tls->peer_names(); }
  Link* open_stream(uint32_t) override { return connect(); }
  std::unique_ptr<CutOnSignals> cut_on_signals() override {
    return std::make_unique<CutSocket>(streams_.front()->tls->socket());
  }

 private:
  struct Stream {
    explicit Stream(std::unique_ptr<TlsStream> connected)
        : tls(std::move(connected)),
          link(
              *tls, *tls, [this] { tls->finish(); }, [this] { tls->cut(); }) {}
    std::unique_ptr<TlsStream> tls;
    Link link;
  };

  Link* connect() {
    Descriptor socket = connect_tcp(address_, network_);
    FdSink(socket.get(), address_.text()).write(make_preamble());
    streams_.push_back(
        std::make_unique<Stream>(TlsStream::connect(std::move(socket), context_, address_.host)));
    return &streams_.back()->link;
  }

  Address address_;
  std::optional<IpNetwork> network_;
  TlsContext context_;
  std::vector<std::unique_ptr<Stream>> streams_;
};

}  // namespace

HandoverLimits handover_limits(const Settings& settings) {
  return {std::chrono::seconds(settings.get<"handover_timeout">()),
          std::chrono::seconds(settings.get<"handover_limit">())};
}

Peer peer_named(const std::string& host, const std::string& command) {
  if (host.empty() == command.empty())
    fail(Errc::usage, "say which host is meant: its name, or --via and a command");
  if (!command.empty()) return {command, true};
  return {parse_address(host).text(), false};
}

std::unique_ptr<OtherHost> call(const Peer& peer, bool quiet) {
  if (peer.is_command) return std::make_unique<OverCommand>(peer.text, quiet);
  auto host = std::make_unique<OverTls>(parse_address(peer.text));
  const std::vector<std::string> names = host->names();
  for (const std::string& name : peer.names)
    if (std::find(names.begin(), names.end(), name) == names.end())
      fail(Errc::unsupported, "{} is another host than before: its certificate is not for {}",
           peer.text, name);
  return host;
}

}  // namespace ferry::host
