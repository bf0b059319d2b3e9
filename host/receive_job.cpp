// One job that arrives at this host.
#include "host/receive_job.h"

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "error/error.h"
#include "host/stop_signals.h"
#include "network/pass_descriptor.h"
#include "network/tcp.h"
#include "text/printable.h"

namespace ferry::host {
namespace {

constexpr uint32_t kMostStreams = 16;

struct Stream {
  explicit Stream(std::unique_ptr<TlsStream> accepted)
      : tls(std::move(accepted)), link(*tls, *tls, [this] { tls->finish(); }) {}
  std::unique_ptr<TlsStream> tls;
  Link link;
};

class Connections {
 public:
  Connections(ReceiveJob& job, const TlsContext& context)
      : more_(std::move(job.more)), context_(context) {
    const std::string address = peer_of(job.first.get());
    streams_.push_back(
        std::make_unique<Stream>(TlsStream::accept(std::move(job.first), context_, address)));
    const std::vector<std::string> names = first().peer_names();
    peer_ =
        fmt::format("{} ({})", names.empty() ? "somebody without a name" : names.front(), address);
    if (job.allowed.empty()) return;
    for (const std::string& name : names)
      if (std::find(job.allowed.begin(), job.allowed.end(), name) != job.allowed.end()) return;
    const std::string sentence = fmt::format("guests are taken from {} only, not from {}",
                                             fmt::join(job.allowed, ", "), peer_);
    link().refuse(sentence);
    fail(Errc::unsupported, "{}", sentence);
  }

  TlsStream& first() { return *streams_.front()->tls; }
  Link& link() { return streams_.front()->link; }
  const std::string& peer() const { return peer_; }

  // From the same source, in any order.
  std::vector<Link*> more(const std::string& job, uint32_t count) {
    std::vector<Link*> links;
    for (uint32_t i = 0; i < count; ++i) {
      PassedDescriptor passed =
          take_descriptor(more_.get(), std::chrono::milliseconds(kPeerTimeout).count());
      auto stream = std::make_unique<Stream>(
          TlsStream::accept(std::move(passed.descriptor), context_, peer_));
      if (stream->tls->peer_fingerprint() != first().peer_fingerprint())
        fail(Errc::io, "a further connection of job {} came from somebody else", job);
      welcome_stream(stream->link, job, passed.number);
      links.push_back(&stream->link);
      streams_.push_back(std::move(stream));
    }
    return links;
  }

 private:
  Descriptor more_;
  const TlsContext& context_;
  std::vector<std::unique_ptr<Stream>> streams_;
  std::string peer_;
};

}  // namespace

ReceiveReport receive_job(ReceiveJob job, const TlsContext& context, ThisHost& host) {
  const SignalsCut stop(
      job.first.get());  // whoever ends us ends the link, and then we leave in order
  Connections connections(job, context);
  ReceiveHost serve;
  serve.make = [&](const MigrationJob& incoming) { return host.incoming(incoming); };
  serve.answer = [&](const v1::MigrateQuestion& question) {
    return answer(host.xen(), host.life(), host.devices(), question);
  };
  serve.job = job_id_of(job.job_bytes);
  serve.most_streams = kMostStreams;
  serve.more_links = [&](const std::string& id, uint32_t count) {
    return connections.more(id, count);
  };
  return receive_guest(connections.link(), connections.peer(), serve);
}

void tell(const ReceiveReport& report) {
  const std::string& name = report.job.name;
  switch (report.what) {
    case Received::runs:
      fmt::print(stderr, "{} runs here\n", printable(name));
      return;
    case Received::never_ran:
      fail(Errc::aborted, "{} did not come: {}", name,
           report.reason.empty() ? "its source keeps it" : report.reason);
    case Received::held:
      fail(Errc::needs_operator,
           "{} is whole and paused here, but the link broke before its source gave it away; it is "
           "settled when the source calls again; on the source, try: ferry job resume {}",
           name, report.job.id);
    case Received::asked:
      return;
    case Received::unknown:
      fail(
          Errc::needs_operator,
          "{} was about to run here when this host went down: nobody knows whether it did; look at "
          "its disks, then settle job {} on its source",
          name, report.job.id);
  }
}

}  // namespace ferry::host
