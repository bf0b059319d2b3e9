// The destination of a migration.
#include "migrate/receive_guest.h"

#include <algorithm>
#include <chrono>
#include <optional>

#include "error/error.h"
#include "migrate/receive_image.h"

namespace ferry {
namespace {

void send_welcome(Link& link, uint32_t streams) {
  v1::MigrateFrame frame;
  frame.mutable_welcome()->set_version(kMigrateVersion);
  frame.mutable_welcome()->set_streams(streams);
  link.send(frame);
}

// The source hears why, if it still listens.
void tell_refusal(Link& link, const Error& reason) {
  try {
    link.refuse(reason.what());
  } catch (const Error&) {
  }
}

class Receiver {
 public:
  Receiver(Link& link, MigrationJob job, IncomingGuest& guest)
      : link_(link),
        guest_(guest),
        outbox_(outbox_link_),
        journal_(std::move(job)),
        handover_(journal_.job().destination_state(), journal_, guest_, outbox_) {}

  // Only what is in the journal may begin.
  void start() { journal_.write(DestinationState::receiving); }
  void restart() { handover_.restarted(); }

  // The guest's bytes, until it is whole or will never be.
  void stream(const v1::MigrateHello& hello, const ReceiveHost& host) {
    std::optional<ImageReceiver> image;  // the last to go: it still reads a source that goes on
    try {
      guest_.begin(hello);
      image.emplace(welcome(std::clamp(hello.streams(), 1u, host.most_streams), host));
      image->run([&](std::span<const std::byte> bytes) {
        guest_.take(bytes);
        if (hello.wants_progress()) report_progress(bytes.size());
      });
      guest_.finish();
      handover_.complete();
    } catch (const Error& e) {
      reason_ = e.what();
      tell_refusal(link_, e);
      handover_.failed();
    }
  }

  // What went into the guest, not what arrived: a restore that hangs is no progress.
  void report_progress(size_t bytes) {
    constexpr auto kNowAndThen = std::chrono::seconds(1);
    taken_ += bytes;
    const auto now = std::chrono::steady_clock::now();
    if (now - reported_at_ < kNowAndThen) return;
    reported_at_ = now;
    link_.send_progress(taken_);
  }

  // All connections of the job, the first one first.
  std::vector<Link*> welcome(uint32_t streams, const ReceiveHost& host) {
    send_welcome(link_, streams);
    std::vector<Link*> links = {&link_};
    if (streams == 1) return links;
    const std::vector<Link*> more = host.more_links(journal_.job().id, streams - 1);
    links.insert(links.end(), more.begin(), more.end());
    return links;
  }

  // Until the source hangs up.
  void serve() {
    for (;;) {
      std::optional<v1::MigrateFrame> frame;
      try {
        frame = link_.receive();
      } catch (const Error&) {
      }
      if (!frame) break;
      const auto message = handover_in(*frame);
      if (message) handover_.on(*message);
    }
    handover_.link_lost();
    guest_.leave();
  }

  ReceiveReport report() const {
    Received what = Received::unknown;
    switch (handover_.state()) {
      case DestinationState::runs:
        what = Received::runs;
        break;
      case DestinationState::never_ran:
        what = Received::never_ran;
        break;
      case DestinationState::receiving:
      case DestinationState::held:
        what = Received::held;
        break;
      default:
        break;
    }
    return {what, journal_.job(), reason_};
  }

 private:
  Link& link_;
  Link* const outbox_link_ = &link_;
  IncomingGuest& guest_;
  LinkOutbox outbox_;
  JobJournal journal_;
  DestinationHandover handover_;
  std::string reason_;
  uint64_t taken_ = 0;
  std::chrono::steady_clock::time_point reported_at_ = std::chrono::steady_clock::now();
};

template <typename Step>
auto or_refuse(Link& link, Step step) {
  try {
    return step();
  } catch (const Error& e) {
    tell_refusal(link, e);
    throw;
  }
}

// A hello or a question.
v1::MigrateFrame greeting(Link& link) {
  auto frame = link.receive();
  if (!frame || !(frame->has_hello() || frame->has_question()))
    fail(Errc::io, "whoever called does not speak ferry's protocol");
  const uint32_t version =
      frame->has_hello() ? frame->hello().version() : frame->question().version();
  if (version != kMigrateVersion)
    fail(Errc::unsupported, "version {} of the migration protocol is spoken here, not {}",
         kMigrateVersion, version);
  return std::move(*frame);
}

v1::MigrateFrame answer_to(const v1::MigrateQuestion& question, const ReceiveHost& host) {
  if (!host.answer) fail(Errc::unsupported, "no questions are answered here");
  v1::MigrateFrame frame;
  *frame.mutable_answer() = host.answer(question);
  return frame;
}

// What the source is welcomed to.
struct Arrival {
  FileLock lock;
  std::unique_ptr<IncomingGuest> guest;
  std::unique_ptr<Receiver> receiver;
  bool known;  // its journal was here before
};

Arrival prepare(Link& link, const v1::MigrateHello& hello, const std::string& peer,
                const ReceiveHost& host) {
  const std::string id = job_id_of(hello.job());
  if (!host.job.empty() && id != host.job)
    fail(Errc::unsupported, "this connection was opened for job {}, not {}", host.job, id);
  std::optional<FileLock> lock = lock_job(id, false);
  if (!lock) fail(Errc::unsupported, "job {} is still served here by another process", id);
  std::optional<MigrationJob> known = find_job(id, false);
  if (!known && hello.settle())
    fail(Errc::unsupported, "job {} is not known here: its journal is gone", id);
  if (known && !hello.settle()) fail(Errc::unsupported, "job {} was here before", id);

  MigrationJob job = known.value_or(MigrationJob{});
  if (!known) {
    job.id = id;
    job.source = false;
    job.state = static_cast<unsigned>(DestinationState::receiving);
    job.name = hello.name();
    job.uuid = hello.uuid();
    job.peer.text = peer;
  }
  std::unique_ptr<IncomingGuest> guest = host.make(job);
  auto receiver = std::make_unique<Receiver>(link, std::move(job), *guest);
  if (!known) receiver->start();
  return {std::move(*lock), std::move(guest), std::move(receiver), known.has_value()};
}

}  // namespace

ReceiveReport receive_guest(Link& link, const std::string& peer, const ReceiveHost& host) {
  const v1::MigrateFrame first = or_refuse(link, [&] { return greeting(link); });
  if (first.has_question()) {
    link.send(or_refuse(link, [&] { return answer_to(first.question(), host); }));
    return {Received::asked, {}, {}};
  }
  const Arrival arrival = or_refuse(link, [&] { return prepare(link, first.hello(), peer, host); });
  Receiver& receiver = *arrival.receiver;
  if (arrival.known) {
    receiver.restart();
    send_welcome(link, 1);
  } else {
    receiver.stream(first.hello(), host);
  }
  receiver.serve();
  return receiver.report();
}

void welcome_stream(Link& link, const std::string& job, uint32_t stream) {
  const auto frame = link.receive();
  if (!frame || !frame->has_join() || frame->join().stream() != stream ||
      job_id_of(frame->join().job()) != job)
    fail(Errc::io, "a further connection of job {} is for something else", job);
  send_welcome(link, 1);
}

}  // namespace ferry
