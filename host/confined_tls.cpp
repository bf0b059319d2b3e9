// TLS with another host that called, and its messages, in a process without rights.
//
// First of all it says one of
//   | '+' 1 | h, j or q 1 | 0 2 | stream 4 | job 16 | bytes 8 | names, a space between them … |
//   | '-' 1 | 0 23                                  | bytes 8 | sentence …                    |
#include "host/confined_tls.h"

#include <signal.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <memory>

#include "error/run_main.h"
#include "host/plain_name.h"
#include "host/tls_settings.h"
#include "migrate/job_journal.h"
#include "migrate/plain_frame.h"
#include "migrate/receive_guest.h"
#include "network/tls.h"

namespace ferry::host {
namespace {

using namespace std::chrono_literals;

// For the last words to arrive, and the other side to hang up.
constexpr auto kReasonTime = 2s;
constexpr auto kTimeToEnd = kReasonTime + 3s;
constexpr size_t kMostWords = 4096;
// Of a frame both forms are there for a moment, and the stacks of two threads.
constexpr uint64_t kMostMemory = uint64_t{256} << 20;
// A guest may take days to come.
constexpr uint64_t kMostCpuSeconds = uint64_t{1} << 30;

struct Opening {
  char let_in = '-';
  char what = 0;
  uint16_t nothing = 0;
  uint32_t stream = 0;
  char job[16] = {};
  uint64_t bytes = 0;
};

std::vector<std::string> names_in(const std::string& words) {
  std::vector<std::string> names;
  for (size_t at = 0; at < words.size();) {
    const size_t end = std::min(words.find(' ', at), words.size());
    std::string name = words.substr(at, end - at);
    if (is_plain_name(name)) names.push_back(std::move(name));
    at = end + 1;
  }
  return names;
}

// As many as there is room for.
std::string words_of(const std::vector<std::string>& names) {
  std::string words;
  for (const std::string& name : names) {
    if (!is_plain_name(name) || words.size() + 1 + name.size() > kMostWords) continue;
    if (!words.empty()) words += ' ';
    words += name;
  }
  return words;
}

void say_opening(Opening opening, std::string_view words, ByteSink& to) {
  words = words.substr(0, kMostWords);
  opening.bytes = words.size();
  to.write(std::as_bytes(std::span(&opening, 1)));
  to.write(std::as_bytes(std::span(words)));
}

Opening opening_of(const v1::MigrateFrame& first) {
  Opening opening;
  opening.let_in = '+';
  opening.what = first.has_hello() ? 'h' : first.has_join() ? 'j' : 'q';
  opening.stream = first.join().stream();
  const std::string& job = first.has_hello() ? first.hello().job() : first.join().job();
  if (opening.what != 'q') job_id_of(job);
  std::copy_n(job.begin(), std::min(job.size(), sizeof opening.job), opening.job);
  return opening;
}

// Frames of the job's, a piece at a time, until there are no more.
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

// All that the process, or the thread, does.
class TlsEnd {
 public:
  TlsEnd(Descriptor socket, const TlsContext& context, const std::string& address, int job)
      : socket_(std::move(socket)),
        context_(context),
        address_(address),
        job_(job),
        from_job_(job, "the process that serves the job"),
        to_job_(job, "the process that serves the job") {}

  void run() {
    if (!open()) return;
    std::thread inwards([this] { hand_in(); });
    try {
      hand_on(from_job_, *tls_);
    } catch (const Error&) {
    }
    shutdown(job_, SHUT_RD);  // so that whatever the job still says fails
    tls_->finish();
    if (other_side_ended_.get_future().wait_for(kReasonTime) != std::future_status::ready)
      tls_->cut();
    inwards.join();
  }

 private:
  bool open() {
    try {
      tls_ = TlsStream::accept(std::move(socket_), context_, address_);
      link_.emplace(*tls_, *tls_);
      const v1::MigrateFrame first = first_frame(*link_);
      say_opening(opening_of(first), words_of(tls_->peer_names()), to_job_);
      give(first,
           {});  // what refuses it at once does not wait for it, and its reason has to arrive
      return true;
    } catch (const Error& error) {
      if (tls_) tls_->finish_in_order();
      say_opening({}, error.what(), to_job_);
      return false;
    }
  }

  // A connection that is closed with bytes unread resets, and our last words are lost on their way:
  // what nobody wants any more is read all the same.
  void hand_in() {
    try {
      ImageChunk chunk;
      while (const auto frame = link_->receive(chunk))
        if (!job_left_) give(*frame, chunk);
    } catch (const Error& error) {
      tell_broken(error.what());
    }
    shutdown(job_, SHUT_WR);
    other_side_ended_.set_value();
  }

  void give(const v1::MigrateFrame& frame, const ImageChunk& chunk) {
    try {
      write_plain(frame, chunk, to_job_);
    } catch (const Error&) {
      job_left_ = true;
    }
  }

  void tell_broken(const char* sentence) {
    try {
      if (!job_left_) write_broken(sentence, to_job_);
    } catch (const Error&) {
    }
  }

  Descriptor socket_;
  const TlsContext& context_;
  const std::string& address_;
  int job_;
  FdSource from_job_;
  FdSink to_job_;
  std::unique_ptr<TlsStream> tls_;
  std::optional<Link> link_;
  bool job_left_ = false;
  std::promise<void> other_side_ended_;
};

sandbox::Confined confinement_of(const std::string& address) {
  return {.program = "ferry",
          .what = "the connection from " + address,
          .limits = {.cpu_seconds = kMostCpuSeconds, .memory_bytes = kMostMemory},
          .way_out = "sandbox = no in ferry.conf runs it without these limits",
          .suspicion = "whoever called may have taken it over",
          .work = sandbox::Work::connection};
}

}  // namespace

ConfinedTls::ConfinedTls(Descriptor socket, const std::string& address, bool confine)
    : address_(address) {
  // Read anew for each: certificates are renewed, and revoked, while we run.
  const TlsContext context(tls_files());
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    fail_errno(Errc::io, errno, "no socket for a connection");
  connection_.reset(ends[0]);
  Descriptor theirs(ends[1]);
  if (confine && sandbox::can_confine()) {
    const int keep[] = {socket.get(), theirs.get()};
    child_.emplace(confinement_of(address), keep, [&](const sandbox::Confinement&) {
      TlsEnd(std::move(socket), context, address, theirs.get()).run();
    });
    return;
  }
  thread_ = std::thread([socket = std::make_shared<Descriptor>(std::move(socket)), context, address,
                         theirs = std::make_shared<Descriptor>(std::move(theirs))] {
    try {
      TlsEnd(std::move(*socket), context, address, theirs->get()).run();
    } catch (const std::exception& error) {
      complain("ferry", error.what());
    }
  });
}

ConfinedTls::~ConfinedTls() {
  end();
}

ConfinedTls::Called ConfinedTls::called() {
  FdSource from(connection_.get(), "what decrypts the connection");
  Opening opening;
  std::string words;
  if (from.read(std::as_writable_bytes(std::span(&opening, 1))) == sizeof opening &&
      opening.bytes <= kMostWords) {
    words.resize(opening.bytes);
    if (from.read(std::as_writable_bytes(std::span(words))) == words.size()) {
      if (opening.let_in != '+') fail(Errc::io, "{}", words);
      Called called;
      called.names = names_in(words);
      if (opening.what != 'q') called.job = job_id_of({opening.job, sizeof opening.job});
      if (opening.what == 'j') called.stream = opening.stream;
      return called;
    }
  }
  connection_.reset();
  ended_ = true;
  if (child_) child_->wait(kTimeToEnd);
  fail(Errc::io, "what decrypts the connection from {} ended before it said who calls", address_);
}

void ConfinedTls::wait_for_its_end() {
  connection_.reset();
  if (child_) child_->wait_for_its_end();
  end();
}

void ConfinedTls::end() noexcept {
  connection_.reset();
  if (thread_.joinable()) thread_.join();
  if (!child_ || std::exchange(ended_, true)) return;
  try {
    child_->wait(kTimeToEnd);
  } catch (const Error& error) {
    complain("ferry", error.what());
  }
}

}  // namespace ferry::host
