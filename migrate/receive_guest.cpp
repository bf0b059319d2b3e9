// The destination of a migration.
#include "migrate/receive_guest.h"

#include "error/error.h"

namespace ferry {
namespace {

class Receiver {
 public:
  Receiver(Link& link, MigrationJob job, IncomingGuest& guest)
      : link_(link),
        guest_(guest),
        outbox_(link),
        journal_(std::move(job)),
        handover_(journal_.job().destination_state(), journal_, guest_, outbox_) {}

  void start() { journal_.write(DestinationState::receiving); }
  void restart() { handover_.restarted(); }

  // The guest's bytes, until it is whole or will never be.
  void stream(const v1::MigrateHello& hello) {
    try {
      guest_.begin(hello);
      welcome();
      for (;;) {
        const auto frame = link_.receive();
        if (!frame) fail(Errc::io, "the source hung up");
        if (frame->has_handover()) fail(Errc::aborted, "the source kept the guest");
        if (frame->has_end()) break;
        if (frame->has_data())
          guest_.take(std::as_bytes(std::span(frame->data().data(), frame->data().size())));
      }
      guest_.finish();
    } catch (const Error& e) {
      reason_ = e.what();
      try {
        link_.refuse(reason_);
      } catch (const Error&) {
      }
      handover_.failed();
      return;
    }
    handover_.complete();
  }

  void welcome() {
    v1::MigrateFrame frame;
    frame.mutable_welcome()->set_version(kMigrateVersion);
    link_.send(frame);
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
  IncomingGuest& guest_;
  LinkOutbox outbox_;
  JobJournal journal_;
  DestinationHandover handover_;
  std::string reason_;
};

[[noreturn]] void refuse(Link& link, const std::string& sentence) {
  link.refuse(sentence);
  fail(Errc::unsupported, "{}", sentence);
}

v1::MigrateHello greeting(Link& link) {
  const auto frame = link.receive();
  if (!frame || !frame->has_hello())
    fail(Errc::io, "whoever called does not speak ferry's protocol");
  if (frame->hello().version() != kMigrateVersion)
    refuse(link, fmt::format("version {} of the migration protocol is spoken here, not {}",
                             kMigrateVersion, frame->hello().version()));
  return frame->hello();
}

}  // namespace

ReceiveReport receive_guest(Link& link, const std::string& peer, const MakeIncoming& make) {
  const v1::MigrateHello hello = greeting(link);
  const std::string id = job_id_of(hello.job());
  std::optional<MigrationJob> known = find_job(id, false);
  if (!known && hello.settle())
    refuse(link, fmt::format("job {} is not known here: its journal is gone", id));
  if (known && !hello.settle()) refuse(link, fmt::format("job {} was here before", id));

  MigrationJob job = known.value_or(MigrationJob{});
  if (!known) {
    job.id = id;
    job.source = false;
    job.state = static_cast<unsigned>(DestinationState::receiving);
    job.name = hello.name();
    job.uuid = hello.uuid();
    job.peer = peer;
  }
  const std::unique_ptr<IncomingGuest> guest = make(job);
  Receiver receiver(link, job, *guest);
  if (known) {
    receiver.restart();
    receiver.welcome();
  } else {
    receiver.start();
    receiver.stream(hello);
  }
  receiver.serve();
  return receiver.report();
}

}  // namespace ferry
