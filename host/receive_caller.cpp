// One connection from another host, in a process of its own: who calls, and what for.
#include "host/receive_caller.h"

#include <algorithm>

#include "error/run_main.h"
#include "host/confined_tls.h"
#include "host/handed_job.h"
#include "host/receive_job.h"
#include "host/stop_signals.h"
#include "network/pass_descriptor.h"
#include "network/preamble.h"
#include "network/tcp.h"

namespace ferry::host {
namespace {

std::string checked_preamble(int socket) {
  const std::string address = peer_of(socket);
  PreambleBytes preamble{};
  if (FdSource(socket, address).read(preamble) != preamble.size() || !is_preamble(preamble))
    fail(Errc::io, "{} does not speak ferry's protocol", address);
  return address;
}

class Connection {
 public:
  Connection(Descriptor socket, Descriptor control, const ReceiveCalls& how)
      : how_(how),
        address_(checked_preamble(socket.get())),
        control_(std::move(control)),
        tls_(std::move(socket), address_, how.confined) {}

  void serve(const OpenHost& open) {
    const ConfinedTls::Called called = tls_.called();
    const ProvenCall call = {address_, called.names, tls_.connection(), control_.get()};
    refuse_or([&] { ask_server(called); });
    if (called.stream) return tls_.wait_for_its_end();
    // Whoever ends us ends the link, and it is left in order.
    const SignalsCut stop(tls_.connection());
    if (how_.jobs_at.empty()) return serve_job(call, how_.sources, open);
    const HandedJob job = refuse_or([&] { return HandedJob(how_.jobs_at, call); });
    control_.reset();  // it is the job's
    job.wait();
  }

 private:
  // Nobody disturbs a job who may not. Throws what the server says against this connection.
  void ask_server(const ConfinedTls::Called& called) {
    admit(proven_caller(called.names, address_), how_.sources);
    const std::string stream = called.stream ? std::to_string(*called.stream) : "";
    pass_message(control_.get(),
                 fmt::format("{}\n{}\n{}", called.job, stream, fmt::join(called.names, " ")),
                 called.stream ? tls_.connection() : -1);
    const auto verdict = take_message(control_.get(), -1);
    if (verdict->text != kCallerGoesOn) fail(Errc::unsupported, "{}", verdict->text);
  }

  // The source hears why it goes no further.
  template <typename Step>
  auto refuse_or(Step step) -> decltype(step()) {
    try {
      return step();
    } catch (const Error& error) {
      tell(error);
      throw;
    }
  }

  void tell(const Error& reason) {
    FdSource nothing(-1, address_);
    FdSink out(tls_.connection(), address_);
    try {
      Link(nothing, out).refuse(reason.what());
    } catch (const Error&) {
    }
  }

  const ReceiveCalls& how_;
  std::string address_;
  Descriptor control_;
  ConfinedTls tls_;
};

}  // namespace

CallerSays caller_says(const std::string& message) {
  const size_t job_ends = std::min(message.find('\n'), message.size());
  const size_t stream_ends = std::min(message.find('\n', job_ends + 1), message.size());
  if (stream_ends == message.size()) fail(Errc::internal, "a caller says what makes no sense");
  return {message.substr(0, job_ends), message.substr(job_ends + 1, stream_ends - job_ends - 1),
          message.substr(stream_ends + 1)};
}

int serve_connection(Descriptor socket, Descriptor control, const ReceiveCalls& how,
                     const OpenHost& open) {
  return run_main("ferry", [&] {
    Connection connection(std::move(socket), std::move(control), how);
    connection.serve(open);
    return static_cast<int>(Exit::done);
  });
}

}  // namespace ferry::host
