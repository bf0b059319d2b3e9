// One job that arrives at this host.
#include "host/receive_job.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <set>

#include "error/error.h"
#include "host/emptying.h"
#include "host/metrics.h"
#include "network/pass_descriptor.h"
#include "network/tcp.h"
#include "text/printable.h"
#include "text/say.h"

namespace ferry::host {
namespace {

constexpr uint32_t kMostStreams = 16;

bool is_among(const std::vector<std::string>& names, const std::vector<std::string>& known) {
  return std::any_of(names.begin(), names.end(), [&](const std::string& name) {
    return std::find(known.begin(), known.end(), name) != known.end();
  });
}

// A further connection, its frames handed on by the process that decodes them.
struct Stream {
  explicit Stream(Descriptor from)
      : socket(std::move(from)),
        in(socket.get(), "a further connection"),
        out(socket.get(), "a further connection"),
        link(in, out) {
    link.read_plain_form();
  }
  Descriptor socket;
  FdSource in;
  FdSink out;
  Link link;
};

class Streams {
 public:
  explicit Streams(int control) : control_(control) {}

  // In any order. What is none of the job's is dropped, and the next one waited for.
  std::vector<Link*> more(const MigrationJob& job, uint32_t count) {
    std::vector<Link*> links;
    while (links.size() < count) {
      auto passed = take_message(control_, std::chrono::milliseconds(kPeerTimeout).count());
      if (!passed) fail(Errc::io, "a further connection of job {} did not come", job.id);
      if (!passed->descriptor || passed->text.size() > 2) continue;
      auto stream = std::make_unique<Stream>(std::move(passed->descriptor));
      if (!belongs(stream->link, passed->text, job)) continue;
      numbers_.insert(passed->text);
      links.push_back(&stream->link);
      streams_.push_back(std::move(stream));
    }
    return links;
  }

 private:
  bool belongs(Link& link, const std::string& number, const MigrationJob& job) {
    try {
      const v1::MigrateFrame first = first_frame(link);
      if (!first.has_join() || numbers_.contains(number)) return false;
      welcome_stream(link, first.join(), job);
      return true;
    } catch (const Error&) {
      return false;
    }
  }

  int control_;
  std::set<std::string> numbers_;
  std::vector<std::unique_ptr<Stream>> streams_;
};

}  // namespace

ReceiveHost receive_host(ThisHost& host, bool trusted) {
  ReceiveHost serve;
  serve.trusts = [trusted](const Caller&) { return trusted; };
  serve.closed = [] {
    return is_being_emptied() ? "it is being emptied (ferry evacuate) and takes no guest" : "";
  };
  serve.make = [&](const MigrationJob& incoming) { return host.incoming(incoming); };
  serve.answer = [&](const v1::MigrateQuestion& question) {
    return answer(host.xen(), host.life(), host.devices(), question);
  };
  return serve;
}

Caller proven_caller(const std::vector<std::string>& names, const std::string& address) {
  if (names.empty()) fail(Errc::unsupported, "the certificate of {} names no host", address);
  return {fmt::format("{} ({})", names.front(), address), names};
}

bool admit(const Caller& caller, const KnownSources& sources) {
  if (!sources.allowed.empty() && !is_among(caller.names, sources.allowed))
    fail(Errc::unsupported, "guests are taken from {} only, not from {}",
         fmt::join(sources.allowed, ", "), caller.text);
  return is_among(caller.names, sources.trusted);
}

void serve_job(const ProvenCall& call, const KnownSources& sources, const OpenHost& open) {
  FdSource in(call.connection, call.address);
  FdSink out(call.connection, call.address);
  Link link(in, out);
  link.read_plain_form();
  const Caller caller = proven_caller(call.names, call.address);
  const v1::MigrateFrame first = first_frame(link);
  bool trusted = false;
  try {
    trusted = admit(caller, sources);
  } catch (const Error& error) {
    link.refuse(error.what());
    throw;
  }
  const auto host = open();
  tell(receive_job({link, first, caller, call.control, trusted}, *host));
}

ReceiveReport receive_job(const ReceiveJob& job, ThisHost& host) {
  Streams streams(job.control);
  ReceiveHost serve = receive_host(host, job.trusted);
  serve.most_streams = kMostStreams;
  serve.more_links = [&](const MigrationJob& of, uint32_t count) {
    return streams.more(of, count);
  };
  return receive_counted(job.link, job.first, job.caller, serve);
}

ReceiveReport receive_counted(Link& link, const v1::MigrateFrame& first, const Caller& caller,
                              const ReceiveHost& serve) {
  CountedRun counting("receive");
  counting.counts = first.has_hello() && !first.hello().settle();
  ReceiveReport report = receive_guest(link, first, caller, serve);
  counting.run.outcome = report.what == Received::runs        ? Outcome::success
                         : report.what == Received::never_ran ? Outcome::failure
                                                              : Outcome::needs_operator;
  return report;
}

void tell(const ReceiveReport& report) {
  const std::string& name = report.job.name;
  switch (report.what) {
    case Received::runs:
      say(fmt::format("{} {}\n", printable(name), printable(report.how_it_is)));
      return;
    case Received::never_ran:
      fail(Errc::aborted, "{} did not come: {}", name,
           report.reason.empty() ? "its source keeps it" : report.reason);
    case Received::held:
      fail(Errc::needs_operator,
           "{} is whole and paused here, but {}; it is settled when its source calls again; on {}, "
           "try: ferry job resume {}",
           name,
           report.reason.empty() ? "the link broke before its source gave it away"
                                 : fmt::format("cannot be let run: {}", report.reason),
           source_of(report.job), report.job.id);
    case Received::asked:
      return;
    case Received::unknown:
      fail(Errc::needs_operator,
           "{0} was let run here, or was about to be, and is not here any more: nobody knows "
           "whether it ran; look at its disks, then settle job {1}: on {2}, try: ferry job resume "
           "{1}",
           name, report.job.id, source_of(report.job));
  }
}

}  // namespace ferry::host
