// The destination of a migration.
#include "migrate/receive_guest.h"

#include <algorithm>
#include <chrono>
#include <optional>

#include "error/error.h"
#include "migrate/earlier_tries.h"
#include "migrate/guest_names.h"
#include "migrate/judge_hello.h"
#include "migrate/receive_image.h"
#include "xen/uuid.h"

namespace ferry {
namespace {

v1::MigrateFrame welcome_to(const MigrationJob& job, uint32_t streams) {
  v1::MigrateFrame frame;
  frame.mutable_welcome()->set_version(kMigrateVersion);
  frame.mutable_welcome()->set_secret(job.destination_secret);
  frame.mutable_welcome()->set_streams(streams);
  return frame;
}

// On the first connection, the one that decides about the guest.
void send_welcome(Link& link, const MigrationJob& job, uint32_t streams) {
  v1::MigrateFrame frame = welcome_to(job, streams);
  frame.mutable_welcome()->set_challenge(new_secret());
  link.demand(frame.welcome().challenge());
  link.send(frame);
}

// The source hears why, if it still listens.
void tell_refusal(Link& link, const Error& reason) {
  try {
    link.refuse(reason.what(), reason.code() == Errc::no_domain);
  } catch (const Error&) {
  }
}

// What the handover says; the reason goes before what says that the guest does not run here.
class ReceiverOutbox final : public HandoverOutbox {
 public:
  ReceiverOutbox(Link& link, IncomingGuest& guest) : link_(&link), guest_(guest) {}
  void send(HandoverMessage message) override {
    const bool explained =
        message != HandoverMessage::received && message != HandoverMessage::running;
    if (explained && !why().empty()) tell_refusal(*link_, Error(Errc::internal, why()));
    if (message == HandoverMessage::running && new_.empty()) new_ = how_it_is_there();
    if (message == HandoverMessage::running && !new_.empty())
      tell_refusal(*link_, Error(Errc::internal, new_));
    new_.clear();
    out_.send(message);
  }
  void because(const std::string& why) override { why_ = new_ = why; }
  const std::string& why() const { return guest_.why().empty() ? why_ : guest_.why(); }

 private:
  // In the words of its source; nothing of one that simply runs.
  std::string how_it_is_there() {
    try {
      std::string how = guest_.how_it_is();
      if (how == "runs here") return {};
      return how.replace(how.find("here"), 4, "there");
    } catch (const std::exception&) {
      return {};
    }
  }

  Link* const link_;
  IncomingGuest& guest_;
  LinkOutbox out_{link_};
  std::string why_, new_;  // new_: of the next message only
};

class Receiver {
 public:
  Receiver(Link& link, MigrationJob job, IncomingGuest& guest)
      : link_(link),
        guest_(guest),
        outbox_(link, guest),
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
      note_copy();
      image.emplace(welcome(std::clamp(hello.streams(), 1u, host.most_streams), host));
      image->run([&](std::span<const std::byte> bytes) {
        guest_.take(bytes);
        note_copy();
        if (hello.wants_progress()) report_progress(bytes.size());
      });
      guest_.finish();
      if (!guest_.copy()) fail(Errc::internal, "the guest arrived, and there is no domain of it");
      note_copy_with_next_state();
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

  // Whoever takes the job up after us has to find it.
  void note_copy() {
    if (guest_.copy() && guest_.copy() != journal_.job().copy) journal_.write(*guest_.copy());
  }

  // The guest is suspended now: nobody waits for a write more than there has to be.
  void note_copy_with_next_state() {
    MigrationJob job = journal_.job();
    job.copy = guest_.copy();
    journal_ = JobJournal(std::move(job));
  }

  // All connections of the job, the first one first.
  std::vector<Link*> welcome(uint32_t streams, const ReceiveHost& host) {
    send_welcome(link_, journal_.job(), streams);
    std::vector<Link*> links = {&link_};
    if (streams == 1) return links;
    const std::vector<Link*> more = host.more_links(journal_.job(), streams - 1);
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

  const MigrationJob& job() const { return journal_.job(); }

  std::string how_it_is() const {
    try {
      return guest_.how_it_is();
    } catch (const Error& e) {
      return fmt::format("was let run here, and cannot be seen ({})", e.what());
    }
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
      case DestinationState::about_to_run:
        what = Received::held;
        break;
      default:
        break;
    }
    return {what, journal_.job(), reason_.empty() ? outbox_.why() : reason_,
            what == Received::runs ? how_it_is() : std::string()};
  }

 private:
  Link& link_;
  IncomingGuest& guest_;
  ReceiverOutbox outbox_;
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

uint32_t version_of(const v1::MigrateFrame& frame) {
  if (frame.has_hello()) return frame.hello().version();
  return frame.has_question() ? frame.question().version() : kMigrateVersion;
}

v1::MigrateFrame any_first_frame(Link& link) {
  auto frame = link.receive();
  if (!frame) fail(Errc::io, "whoever called hung up without a word");
  if (!(frame->has_hello() || frame->has_join() || frame->has_question()))
    fail(Errc::io, "whoever called does not speak ferry's protocol");
  if (version_of(*frame) != kMigrateVersion)
    fail(Errc::unsupported, "version {} of the migration protocol is spoken here, not {}",
         kMigrateVersion, version_of(*frame));
  return std::move(*frame);
}

bool is_trusted(const Caller& caller, const ReceiveHost& host) {
  return host.trusts && host.trusts(caller);
}

std::string why_closed(const ReceiveHost& host) {
  return host.closed ? host.closed() : "";
}

v1::MigrateFrame answer_to(const v1::MigrateQuestion& question, const Caller& caller,
                           const ReceiveHost& host) {
  if (!host.answer) fail(Errc::unsupported, "no questions are answered here");
  v1::MigrateFrame frame;
  *frame.mutable_answer() = host.answer(question);
  if (std::string closed = why_closed(host); !closed.empty())
    frame.mutable_answer()->add_blockers(std::move(closed));
  for (std::string& sentence : against_config(question.libxl_json(), is_trusted(caller, host)))
    frame.mutable_answer()->add_blockers(std::move(sentence));
  return frame;
}

// What the source is welcomed to.
struct Arrival {
  FileLock lock, uuid_lock;
  std::unique_ptr<IncomingGuest> guest;
  std::unique_ptr<Receiver> receiver;
  bool known;  // its journal was here before
};

void check_hello(const v1::MigrateHello& hello) {
  if (hello.secret().size() != kSecretBytes || hello.uuid().size() != sizeof(DomainUuid))
    fail(Errc::io, "whoever called does not speak ferry's protocol");
  check_name(hello.name());
}

// Only who began the job has anything to say about it. A renewed certificate may vouch for more
// names than the old one. For everybody else it is as if the job were not here, so that a source
// whose certificate got another name hears what is left to do.
void check_caller(const MigrationJob& job, const v1::MigrateHello& hello, const Caller& caller) {
  const auto vouched = [&](const std::string& name) {
    return std::find(caller.names.begin(), caller.names.end(), name) != caller.names.end();
  };
  if (!std::all_of(job.peer.names.begin(), job.peer.names.end(), vouched) ||
      job.peer.names.empty() != caller.names.empty() ||
      !same_secret(job.source_secret, hello.secret()) || job.uuid != hello.uuid())
    fail(Errc::no_domain,
         "job {} belongs to somebody else: it began with another secret, or with a certificate "
         "for names that this one is not for",
         job.id);
}

MigrationJob new_job(const std::string& id, const v1::MigrateHello& hello, const Caller& caller) {
  MigrationJob job;
  job.id = id;
  job.source = false;
  job.state = static_cast<unsigned>(DestinationState::receiving);
  job.name = hello.name();
  job.uuid = hello.uuid();
  job.paused = hello.paused();
  job.peer.text = caller.text;
  job.peer.names = caller.names;
  job.source_secret = hello.secret();
  job.destination_secret = new_secret();
  return job;
}

// Beside a journal that is gone.
std::string what_is_left(IncomingGuest& guest) {
  const std::string other = guest.same_guest();
  return (guest.was_let_run() ? ", but the guest was let run there, or was about to be" : "") +
         (other.empty() ? "" : "; " + other);
}

// What a damaged journal knew is as lost as a journal: the source's operator has to look here.
std::optional<MigrationJob> known_job(const MigrationJob& as_said, bool settle,
                                      const ReceiveHost& host) {
  const auto fail_lost = [&](const std::string& why) {
    fail(Errc::no_domain, "job {} is not known on the destination any more: {}{}", as_said.id, why,
         what_is_left(*host.make(as_said)));
  };
  try {
    auto known = find_job(as_said.id, false);
    if (!known && settle) fail_lost("its journal is gone");
    return known;
  } catch (const Error& e) {
    if (e.code() != Errc::io) throw;
    fail_lost(e.what());
  }
  return std::nullopt;
}

// hello: its configuration becomes what the toolstack is to get.
Arrival prepare(Link& link, v1::MigrateHello& hello, const Caller& caller,
                const ReceiveHost& host) {
  const std::string id = job_id_of(hello.job());
  check_hello(hello);
  std::optional<FileLock> lock = lock_job(id, false);
  if (!lock) fail(Errc::unsupported, "job {} is still served here by another process", id);
  const std::optional<MigrationJob> known =
      known_job(new_job(id, hello, caller), hello.settle(), host);
  if (known) check_caller(*known, hello, caller);
  if (known && !hello.settle()) fail(Errc::unsupported, "job {} was here before", id);

  if (const std::string closed = known ? "" : why_closed(host); !closed.empty())
    fail(Errc::unsupported, "{}", closed);
  if (!known) hello.set_libxl_json(judged_config(hello, is_trusted(caller, host)));

  MigrationJob job = known ? *known : new_job(id, hello, caller);
  std::optional<FileLock> uuid_lock = lock_arrival(job.uuid);
  if (!uuid_lock) fail(Errc::unsupported, "{} is arriving here already, in another job", job.name);
  if (!known) clear_earlier_tries(job, hello.taken_back(), host.make);
  std::unique_ptr<IncomingGuest> guest = host.make(job);
  auto receiver = std::make_unique<Receiver>(link, std::move(job), *guest);
  if (!known) receiver->start();
  return {std::move(*lock), std::move(*uuid_lock), std::move(guest), std::move(receiver),
          known.has_value()};
}

}  // namespace

v1::MigrateFrame first_frame(Link& link) {
  return or_refuse(link, [&] { return any_first_frame(link); });
}

ReceiveReport receive_guest(Link& link, const v1::MigrateFrame& first, const Caller& caller,
                            const ReceiveHost& host) {
  if (first.has_question()) {
    link.send(or_refuse(link, [&] { return answer_to(first.question(), caller, host); }));
    return {Received::asked, {}, {}, {}};
  }
  if (!first.has_hello())
    or_refuse(link, [] { fail(Errc::io, "a further connection came instead of a first one"); });
  v1::MigrateHello hello = first.hello();
  const Arrival arrival = or_refuse(link, [&] { return prepare(link, hello, caller, host); });
  Receiver& receiver = *arrival.receiver;
  if (arrival.known) {
    or_refuse(link, [&] { receiver.restart(); });
    send_welcome(link, receiver.job(), 1);
  } else {
    receiver.stream(hello, host);
  }
  receiver.serve();
  return receiver.report();
}

void welcome_stream(Link& link, const v1::MigrateJoin& join, const MigrationJob& job) {
  if (job_id_of(join.job()) != job.id || !same_secret(join.secret(), job.destination_secret))
    fail(Errc::io, "a further connection of job {} is for something else", job.id);
  link.send(welcome_to(job, 1));
}

}  // namespace ferry
