// A job that is handed over from the process that waits for connections to one that has rights.
#include "host/handed_job.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "host/plain_name.h"
#include "host/receive_caller.h"
#include "host/stop_signals.h"
#include "network/pass_descriptor.h"

namespace ferry::host {
namespace {

constexpr std::chrono::milliseconds kAnswerTime = std::chrono::seconds(30);
constexpr size_t kMostNames = 256;
const std::string kControl = "control";

Descriptor call_socket(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    fail(Errc::usage, "{} is too long for a socket's name", path);
  std::copy(path.begin(), path.end(), address.sun_path);
  Descriptor job(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!job || connect(job.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    fail_errno(Errc::io, errno, fmt::format("nobody serves jobs at {}", path));
  return job;
}

int option_of(int fd, int option) {
  int value = -1;
  socklen_t size = sizeof value;
  return getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 ? value : -1;
}

// Something else could do anything when it is read.
Descriptor checked_socket(Descriptor passed, int type) {
  if (!passed || option_of(passed.get(), SO_DOMAIN) != AF_UNIX ||
      option_of(passed.get(), SO_TYPE) != type)
    fail(Errc::io, "a job was handed over without its connections");
  return passed;
}

PassedMessage next_message(int from) {
  auto message = take_message(from, static_cast<int>(kAnswerTime.count()));
  if (!message) fail(Errc::io, "a job was announced and not handed over");
  return std::move(*message);
}

std::vector<std::string> words_in(const std::string& text) {
  std::vector<std::string> words;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find(' ', at), text.size());
    words.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return words;
}

struct Taken {
  std::string address;
  std::vector<std::string> names;
  Descriptor connection, control;
};

// As whoever has taken the other process over would have it, too.
Taken take_job(int from) {
  // Both, before either is judged: an answer is lost to whoever has said what was not read.
  PassedMessage first = next_message(from);
  PassedMessage second = next_message(from);
  const size_t version_ends = std::min(first.text.find('\n'), first.text.size());
  const size_t address_ends = std::min(first.text.find('\n', version_ends + 1), first.text.size());
  if (first.text.substr(0, version_ends) != kHandedJob || address_ends == first.text.size())
    fail(Errc::unsupported,
         "what waits for connections is of another version of ferry than what serves jobs; "
         "restart ferry-receive.service");
  Taken taken;
  taken.address = first.text.substr(version_ends + 1, address_ends - version_ends - 1);
  taken.names = words_in(first.text.substr(address_ends + 1));
  if (!is_plain_name(taken.address) || taken.names.size() > kMostNames ||
      !std::all_of(taken.names.begin(), taken.names.end(), is_plain_name))
    fail(Errc::io, "a job was handed over whose source has no proper names");
  taken.connection = checked_socket(std::move(first.descriptor), SOCK_STREAM);
  taken.control = checked_socket(std::move(second.descriptor), SOCK_SEQPACKET);
  return taken;
}

Taken take_or_refuse(int from) {
  try {
    return take_job(from);
  } catch (const Error& error) {
    try {
      pass_message(from, error.what());
    } catch (const Error&) {
    }
    throw;
  }
}

}  // namespace

HandedJob::HandedJob(const std::string& socket, const ProvenCall& call)
    : job_(call_socket(socket)) {
  pass_message(job_.get(),
               fmt::format("{}\n{}\n{}", kHandedJob, call.address, fmt::join(call.names, " ")),
               call.connection);
  pass_message(job_.get(), kControl, call.control);
  std::optional<PassedMessage> verdict;
  try {
    verdict = take_message(job_.get(), static_cast<int>(kAnswerTime.count()));
  } catch (const Error&) {
  }
  if (!verdict) fail(Errc::unsupported, "no process serves jobs here at the moment");
  if (verdict->text != kCallerGoesOn) fail(Errc::unsupported, "{}", verdict->text);
}

void HandedJob::wait() const {
  char nothing = 0;
  pollfd ended = {job_.get(), POLLIN, 0};
  for (;;) {
    if (poll(&ended, 1, -1) < 0) continue;  // a signal
    if (recv(job_.get(), &nothing, sizeof nothing, 0) <= 0) return;
  }
}

void serve_handed_job(Descriptor from, const KnownSources& sources, const OpenHost& open) {
  const Taken taken = take_or_refuse(from.get());
  pass_message(from.get(), kCallerGoesOn);
  const SignalsCut stop(taken.connection.get());  // whoever ends us ends the link
  serve_job({taken.address, taken.names, taken.connection.get(), taken.control.get()}, sources,
            open);
}

}  // namespace ferry::host
