// One connection from another host, in a process of its own: who calls, and what for.
#include "host/receive_caller.h"

#include <sys/socket.h>

#include <algorithm>
#include <cstdio>
#include <thread>

#include "error/run_main.h"
#include "host/receive_job.h"
#include "host/stop_signals.h"
#include "host/tls_settings.h"
#include "network/pass_descriptor.h"
#include "network/preamble.h"
#include "network/tcp.h"
#include "network/tls.h"

namespace ferry::host {
namespace {

// What a name in a certificate may hold; anything else is none.
bool is_plain(const std::string& name) {
  return !name.empty() && name.size() < 256 &&
         std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c <= '~'; });
}

// Frames from one side to the other, a piece at a time, until there are no more.
void hand_on(ByteSource& from, ByteSink& to) {
  Bytes piece(64 << 10);
  for (;;) {
    std::byte head[4];
    if (from.read(head) != sizeof head) return;
    size_t left = 0;
    for (unsigned i = 0; i < 4; ++i) left |= std::to_integer<size_t>(head[i]) << (8 * i);
    if (left > kMostFrameBytes) return;
    to.write(head);
    while (left != 0) {
      const auto part = std::span(piece).first(std::min(left, piece.size()));
      if (from.read(part) != part.size()) return;
      to.write(part);
      left -= part.size();
    }
  }
}

class Connection {
 public:
  Connection(Descriptor socket, Descriptor control)
      : address_(peer_of(socket.get())), control_(std::move(control)) {
    PreambleBytes preamble{};
    if (FdSource(socket.get(), address_).read(preamble) != preamble.size() ||
        !is_preamble(preamble))
      fail(Errc::io, "{} does not speak ferry's protocol", address_);
    // Read anew for each: certificates are renewed, and revoked, while we run.
    context_.emplace(tls_files());
    tls_ = TlsStream::accept(std::move(socket), *context_, address_);
    link_.emplace(*tls_, *tls_, [this] { tls_->finish(); });
    for (std::string& name : tls_->peer_names())
      if (is_plain(name)) caller_.names.push_back(std::move(name));
  }

  void serve(const KnownSources& sources, const OpenHost& open) {
    // Read before anything is refused: a socket closed with bytes unread takes the reason with it.
    const v1::MigrateFrame first = first_frame(*link_);
    check_allowed(sources.allowed);
    if (first.has_join()) return relay(first);
    ask_server(first.has_hello() ? job_id_of(first.hello().job()) : "", "", -1);
    const SignalsCut stop(tls_->socket());  // whoever ends us ends the link, and we leave in order
    const auto host = open();
    const bool trusted = is_among(sources.trusted);
    tell(receive_job({*link_, first, caller_, control_.get(), trusted}, *host));
  }

 private:
  void check_allowed(const std::vector<std::string>& allowed) {
    const auto& names = caller_.names;
    if (names.empty()) refuse(fmt::format("the certificate of {} names no host", address_));
    caller_.text = fmt::format("{} ({})", names.front(), address_);
    if (allowed.empty() || is_among(allowed)) return;
    refuse(fmt::format("guests are taken from {} only, not from {}", fmt::join(allowed, ", "),
                       caller_.text));
  }

  bool is_among(const std::vector<std::string>& known) const {
    return std::any_of(caller_.names.begin(), caller_.names.end(), [&](const std::string& name) {
      return std::find(known.begin(), known.end(), name) != known.end();
    });
  }

  void ask_server(const std::string& job, const std::string& stream, int descriptor) {
    pass_message(control_.get(),
                 fmt::format("{}\n{}\n{}", job, stream, fmt::join(caller_.names, " ")), descriptor);
    const auto verdict = take_message(control_.get(), -1);
    if (verdict->text != kCallerGoesOn) refuse(verdict->text);
  }

  [[noreturn]] void refuse(const std::string& sentence) {
    link_->refuse(sentence);
    tls_->finish();
    fail(Errc::unsupported, "{}", sentence);
  }

  // Decrypts for the process that serves the job.
  void relay(const v1::MigrateFrame& join) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
      fail_errno(Errc::io, errno, "no socket for a further connection");
    Descriptor ours(ends[0]), theirs(ends[1]);
    ask_server(job_id_of(join.join().job()), std::to_string(join.join().stream()), theirs.get());
    theirs.reset();
    FdSource in(ours.get(), "the process that serves the job");
    FdSink out(ours.get(), "the process that serves the job");
    Link(in, out).send(join);
    std::thread back([&] {
      try {
        hand_on(in, *tls_);
        tls_->finish();
      } catch (const Error&) {
      }
    });
    try {
      hand_on(*tls_, out);
    } catch (const Error&) {
    }
    shutdown(ours.get(), SHUT_WR);
    back.join();
  }

  std::string address_;
  Descriptor control_;
  std::optional<TlsContext> context_;
  std::unique_ptr<TlsStream> tls_;
  std::optional<Link> link_;
  Caller caller_;
};

}  // namespace

CallerSays caller_says(const std::string& message) {
  const size_t job_ends = std::min(message.find('\n'), message.size());
  const size_t stream_ends = std::min(message.find('\n', job_ends + 1), message.size());
  if (stream_ends == message.size()) fail(Errc::internal, "a caller says what makes no sense");
  return {message.substr(0, job_ends), message.substr(job_ends + 1, stream_ends - job_ends - 1),
          message.substr(stream_ends + 1)};
}

int serve_connection(Descriptor socket, Descriptor control, const KnownSources& sources,
                     const OpenHost& open) {
  return run_main("ferry", [&] {
    Connection connection(std::move(socket), std::move(control));
    connection.serve(sources, open);
    return static_cast<int>(Exit::done);
  });
}

}  // namespace ferry::host
