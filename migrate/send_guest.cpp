// The source of a migration.
#include "migrate/send_guest.h"

#include <algorithm>
#include <chrono>
#include <exception>

#include "custody/host_boot.h"
#include "custody/leaving.h"
#include "error/error.h"
#include "migrate/earlier_tries.h"
#include "migrate/first_answer.h"
#include "migrate/greeting.h"
#include "migrate/guest_here.h"
#include "migrate/guest_names.h"
#include "migrate/open_job.h"
#include "migrate/send_image.h"
#include "proto/xl_wrapper.h"
#include "save/save.h"
#include "text/printable.h"
#include "text/say.h"
#include "xen/domain.h"

namespace ferry {
namespace {

using Clock = std::chrono::steady_clock;

bool was_told_to_stop(const std::exception_ptr& failure) {
  try {
    if (failure) std::rethrow_exception(failure);
  } catch (const Error& e) {
    return e.code() == Errc::aborted;
  } catch (...) {
  }
  return false;
}

class Sender {
 public:
  Sender(Lifecycle& life, std::optional<GuestCustody>& custody, Link* link, MigrationJob job,
         const HandoverLimits& limits)
      : link_(link),
        guest_(life, job, custody),
        outbox_(link_),
        journal_(std::move(job)),
        handover_(journal_.job().source_state(), journal_, guest_, outbox_),
        patience_(limits, [this] { cut(); }) {
    if (link) use(*link);
  }
  // What was sent still arrives; but whoever says nothing is not waited for.
  ~Sender() {
    if (answer_ && answer_->waiting()) cut();
  }
  Sender(const Sender&) = delete;
  Sender& operator=(const Sender&) = delete;

  void use(Link& link) {
    link_ = &link;
    links_ = {&link};
    answer_.emplace(link, [this] { patience_.progress(); });
  }

  void start() { journal_.write(SourceState::sending); }

  // Whatever a step fails with, what it says of the guest is what the job's state says.
  template <typename Step>
  auto by_state(Step step) {
    try {
      return step();
    } catch (const Error& e) {
      if (e.code() == Errc::needs_operator) throw;
      if (runs_there_) fail_unfinished(e.what());
      if (handover_.state() == SourceState::given_away) fail_given_away(e.what());
      if (!guest_.present()) fail_gone(e.what());
      if (std::string_view(e.what()).ends_with(" here")) throw;
      throw Error(e.code(), fmt::format("{}; {} runs on here", e.what(), name()), e.os_errno());
    } catch (const std::exception& e) {
      if (handover_.state() != SourceState::given_away) throw;
      fail_given_away(e.what());
    }
  }

  // Until all of the guest is sent. Throws; the guest then runs on here.
  void stream(const StreamEngine& engine, const StreamOrder& order, std::vector<Link*> links) {
    links_ = links;
    image_.emplace(links, patience_);
    answer_->wait([this] { image_->stop(); });
    std::exception_ptr link_failure, engine_failure;
    bool answered_first = false;
    try {
      StreamOrder own = order;
      own.fd = image_->input();
      own.suspend = [this] { return suspend(); };
      engine(own);
    } catch (...) {
      engine_failure = std::current_exception();
      answered_first = answer_->arrived();
      image_->stop();
      if (was_told_to_stop(engine_failure)) cut();  // whoever does not read is not waited for
    }
    try {
      image_->finish();
      for (Link* link : links)
        if (link != link_) link->hang_up();
      const Patience::Waiting taking(patience_);
      if (!engine_failure) link_->send_end(image_->chunks());
      all_sent_ = !engine_failure;
    } catch (...) {
      link_failure = std::current_exception();
    }
    if (!link_failure && !engine_failure) return;
    handover_.cancel();
    if (suspend_failure_) std::rethrow_exception(suspend_failure_);
    if (was_told_to_stop(engine_failure)) fail(Errc::aborted, "the migration was told to stop");
    // An engine that cannot write has found what the other side said, or that it is gone.
    link_->hang_up();
    if (patience_.ended()) fail_broken();
    patience_.arm();  // for its reason, too, nobody waits for ever
    const auto answer = next_frame();
    // What it says after the engine has failed is only that the guest did not come.
    if (engine_failure && !link_failure && !answered_first) std::rethrow_exception(engine_failure);
    if (answer && answer->has_refusal()) refusal_ = answer->refusal();
    if (!refusal_.empty()) fail_refused();
    if (link_failure || !answer) fail_broken();
    std::rethrow_exception(engine_failure);
  }

  // Until both sides agree who has the guest. Throws if it is not the other one.
  void hand_over() {
    while (!handover_.settled()) {
      const auto frame = next_frame();
      if (!frame) {
        // Only what comes from there may be cut off: it hears of it if it still can.
        if (handover_.state() == SourceState::sending) handover_.cancel();
        fail_broken();
      }
      take(*frame);
      if (handover_.needs_operator()) fail_unknown();
      if (handover_.state() == SourceState::given_away) patience_.given_away();
    }
    patience_.disarm();
    if (handover_.state() != SourceState::done) fail_refused();
  }

  void settle(bool want_back) {
    const bool only_tell = handover_.settled();  // the other side may still hold its copy
    patience_.arm();
    handover_.reconnected();
    if (want_back) handover_.cancel();
    if (only_tell) hear_of_its_copy();
    while (!handover_.settled()) {
      const auto frame = next_frame();
      if (!frame) fail_broken();
      take(*frame);
      if (handover_.needs_operator()) fail_unknown();
    }
    patience_.disarm();
  }

  // The other host has no such job: it has lost its journal, and only a person who looks there can
  // say whether the guest runs there. True if one has said so (wanted) and nothing is here of it.
  bool is_given_up_unknown(const Error& unknown, bool theirs_by_force) {
    if (handover_.state() != SourceState::given_away) return false;
    const MigrationJob& job = journal_.job();
    if (!guest_.present()) {
      if (theirs_by_force) return true;
      fail(Errc::needs_operator,
           "{}; {}; look there for {}, and to give it up here, try: ferry job resume --force {}",
           unknown.what(), what_is_here(), name(), job.id);
    }
    fail(Errc::needs_operator,
         "{}; {}; look there for {}: if it runs there, xl destroy {} here and ferry job resume "
         "--force {}; only if it surely does not, try: ferry job abort --force {}",
         unknown.what(), what_is_here(), name(), job.domid, job.id, job.id);
  }

  SourceHandover& handover() { return handover_; }
  bool runs_there() const { return runs_there_; }  // as its host said
  uint64_t bytes() const { return image_ ? image_->bytes() : 0; }
  Clock::time_point suspended_at() const { return suspended_at_; }

 private:
  bool suspend() {
    suspended_at_ = Clock::now();
    try {
      guest_.suspend();
      patience_.arm();
      return true;
    } catch (const Error&) {
      suspend_failure_ = std::current_exception();
      return false;
    }
  }

  void cut() const {
    for (const Link* link : links_) link->cut();
  }

  // Nothing if the link is gone.
  std::optional<v1::MigrateFrame> next_frame() {
    const Patience::Waiting answering(patience_);
    if (answer_->waiting()) return answer_->take();
    try {
      for (;;) {
        auto frame = link_->receive();
        if (!frame || !frame->has_progress()) return frame;
        patience_.progress();
      }
    } catch (const Error&) {
      return std::nullopt;
    }
  }

  void take(const v1::MigrateFrame& frame) {
    if (frame.has_refusal()) refusal_ = frame.refusal();
    const auto message = handover_in(frame);
    if (!message) return;
    runs_there_ = *message == HandoverMessage::running;
    handover_.on(*message);
  }

  // The guest is here, whatever is said; but a copy that runs there all the same destroys its
  // disks.
  void hear_of_its_copy() {
    const auto frame = next_frame();
    if (!frame) fail(Errc::io, "the link to {} broke", journal_.job().peer.text);
    take(*frame);
    if (runs_there_)
      fail(Errc::needs_operator,
           "{0} runs here, and {1} says that it runs there too: two copies destroy its disks; the "
           "one here is the one that was to go on; there, try: xl destroy {0}",
           name(), journal_.job().peer.text);
  }

  std::string name() const { return journal_.job().name; }
  std::string what_is_here() {
    try {
      switch (guest_.look()) {
        case SourceCopy::runs:
          return "it runs here again, and the job is still open";
        case SourceCopy::gone:
          return "it is not here any more: somebody has destroyed it, or this host was restarted";
        case SourceCopy::suspended:
          break;
      }
    } catch (const Error& e) {
      return fmt::format("what is here of it could not be seen ({})", e.what());
    }
    return "it is suspended here and never runs by itself";
  }
  [[noreturn]] void fail_given_away(const std::string& why) {
    fail(Errc::needs_operator,
         "{} was given to {} and nobody has said that it runs there ({}); {}; try: ferry job "
         "resume {}",
         name(), journal_.job().peer.text, why, what_is_here(), journal_.job().id);
  }
  [[noreturn]] void fail_unfinished(const std::string& why) {
    fail(Errc::needs_operator,
         "{} runs on {}, and this host could not finish: {}; what is here of it never runs by "
         "itself; once that is mended, try: ferry job resume {}",
         name(), journal_.job().peer.text, why, journal_.job().id);
  }
  [[noreturn]] void fail_broken() {
    const std::string why = patience_.ended() ? patience_.reason() : "the link broke";
    if (handover_.state() == SourceState::given_away) fail_given_away(why);
    const MigrationJob& job = journal_.job();
    fail(Errc::io, "the link to {} broke{}{}", job.peer.text,
         patience_.ended() ? fmt::format(": {}", why) : "",
         all_sent_ ? fmt::format("; it may hold a copy that never ran, which goes when the guest "
                                 "comes again, or by: ferry job resume {}",
                                 job.id)
                   : "");
  }
  [[noreturn]] void fail_gone(std::string_view why) {
    fail(Errc::needs_operator,
         "{}; and {} is not here any more: somebody has destroyed it, or this host was restarted; "
         "try: xl create, with its configuration",
         why, name());
  }
  // What the handover leaves to an operator.
  [[noreturn]] void fail_unknown() {
    const MigrationJob& job = journal_.job();
    switch (guest_.look()) {
      case SourceCopy::runs:
        fail(Errc::needs_operator,
             "{} runs on {}, and here somebody has resumed it: two copies destroy its disks; the "
             "one there is the one that was to go on; try: xl destroy {}",
             name(), job.peer.text, job.domid);
      case SourceCopy::gone:
        fail(Errc::needs_operator,
             "{} is not here any more, though no migration has destroyed it; the copy on {} may be "
             "the only one, and is left as it is{}; if it is to run there, try: ferry job resume "
             "--force "
             "{}",
             name(), job.peer.text,
             refusal_.empty() ? "" : fmt::format(", and could not be let run: {}", refusal_),
             job.id);
      case SourceCopy::suspended:
        break;
    }
    if (!refusal_.empty())
      fail(Errc::needs_operator,
           "{0} is not there any more: {1} says that {2}; what is here of it is suspended and "
           "older than its disks; to give that up, try: ferry job resume --force {3}",
           name(), job.peer.text, refusal_, job.id);
    fail(Errc::needs_operator,
         "{} was about to run on {} when that host went down: look there whether it wrote to its "
         "disks; only if it surely did not, try: ferry job abort --force {}",
         name(), job.peer.text, job.id);
  }
  [[noreturn]] void fail_refused() {
    fail(Errc::unsupported, "{} does not take {}: {}", journal_.job().peer.text, name(),
         refusal_.empty() ? "it could not be restored there" : refusal_);
  }

  Link* link_ = nullptr;
  std::vector<Link*> links_;
  GuestHere guest_;
  LinkOutbox outbox_;
  JobJournal journal_;
  SourceHandover handover_;
  Patience patience_;
  std::exception_ptr suspend_failure_;
  std::string refusal_;
  bool all_sent_ = false;
  bool runs_there_ = false;  // the last word from there
  std::optional<ImageSender> image_;
  std::optional<FirstAnswer> answer_;  // goes before image_, which it may stop
  Clock::time_point suspended_at_ = Clock::now();
};

FileLock lock_for_us(const std::string& job) {
  auto lock = lock_job(job, true);
  if (!lock) fail(Errc::busy, "another process still works on job {}", job);
  return std::move(*lock);
}

// What was known before the lock was had may be old by now.
MigrationJob read_again(const MigrationJob& job) {
  return find_job(job.id, true).value_or(job);
}

// Nothing has happened to the guest: it is only that nobody should wait for ever.
uint32_t greet_in_time(Link& link, const v1::MigrateHello& hello, MigrationJob& job) {
  constexpr std::chrono::minutes kAnswersWithin{2};
  Patience patience({kAnswersWithin, {}}, [&] { link.cut(); });
  patience.arm();
  const Patience::Waiting answering(patience);
  return greet(link, hello, job);
}

}  // namespace

SendReport send_guest(const Hypervisor& xen, Lifecycle& life, const StreamEngine& engine,
                      Link& link, const SendRequest& request) {
  std::optional<GuestCustody> custody;
  custody.emplace(xen, life, life.find(request.domain));
  const DomainInfo info = custody->look();
  refuse_claimed(info);
  check_can_save(xen, info);
  const Leaving leaving = look_at_leaving(life, info);
  tell_notes(life.name(info.domid), leaving);
  MigrationJob job;
  job.id = request.job;
  job.state = static_cast<unsigned>(SourceState::sending);
  job.name = life.name(info.domid);
  check_name(job.name);
  job.uuid.assign(reinterpret_cast<const char*>(info.uuid.data()), info.uuid.size());
  job.peer = request.peer;
  job.domid = static_cast<uint16_t>(info.domid);
  job.boot = host_boot();
  custody->belongs_to(job.id);
  job.source_secret = new_secret();
  v1::MigrateHello hello = hello_for(job);
  hello.set_xl_flags(kXlFlagJson | kXlFlagStreamV2);
  hello.set_libxl_json(leaving.config);
  hello.set_streams(request.streams);
  hello.set_wants_progress(true);
  hello.set_paused(custody->was_paused());
  *hello.mutable_taken_back() = jobs_taken_back(job.uuid);
  const FileLock lock = lock_for_us(job.id);
  std::shared_ptr<void> greeting =
      request.while_greeting ? request.while_greeting(info.domid) : nullptr;
  const uint32_t streams = greet_in_time(link, hello, job);
  const std::vector<Link*> links = open_streams(link, request, job, streams);
  greeting.reset();

  Sender sender(life, custody, &link, job, request.limits);
  sender.start();
  prune_jobs();
  custody->reading();
  sender.by_state([&] {
    sender.stream(engine, {info.domid, -1, custody->lock().descriptor(), {}}, links);
    sender.hand_over();
  });
  const std::chrono::duration<double> away = Clock::now() - sender.suspended_at();
  return {info.domid, job.name, sender.bytes(), info.nr_pages * kPageSize, away.count()};
}

Settled settle_sent_guest(const Hypervisor& xen, Lifecycle& life, const Connect& connect,
                          const MigrationJob& known, Wanted wanted, const HandoverLimits& limits) {
  const FileLock lock = lock_for_us(known.id);
  const MigrationJob job = read_again(known);
  if (job.source_state() == SourceState::done) return Settled::was_given_away;
  std::optional<GuestCustody> custody = custody_of_job(xen, life, job);
  Sender sender(life, custody, nullptr, job, limits);
  if (wanted == Wanted::there_by_force) sender.handover().force_give_away();
  sender.handover().restarted();  // a guest that was never given away runs here, whoever answers
  const bool runs_here = sender.handover().settled();
  v1::MigrateHello hello = hello_for(job);
  hello.set_settle(true);
  MigrationJob met = job;
  try {
    sender.by_state([&] {
      Link& link = connect();
      try {
        greet_in_time(link, hello, met);
      } catch (const Error& e) {
        if (e.code() != Errc::no_domain ||
            !sender.is_given_up_unknown(e, wanted == Wanted::there_by_force))
          throw;
        return sender.handover().on(HandoverMessage::may_have_run);
      }
      sender.use(link);
      sender.settle(wanted == Wanted::here);
    });
  } catch (const Error& e) {
    if (!runs_here || e.code() == Errc::needs_operator) throw;
    say(fmt::format("ferry: {}\n",
                    printable(fmt::format("{} was not told: {}; if it holds a copy, "
                                          "that never runs, and goes when it is told",
                                          job.peer.text, e.what()))));
  }
  if (sender.handover().state() == SourceState::done)
    return sender.runs_there() ? Settled::runs_there : Settled::given_up;
  if (custody && custody->there()) return Settled::runs_here;
  if (job.settled()) return Settled::was_taken_back;
  fail(Errc::needs_operator,
       "{} did not run on {}, and it is not here any more either: somebody has destroyed it, or "
       "this host was restarted; try: xl create, with its configuration",
       job.name, job.peer.text);
}

Settled settle_sent_guest(const Hypervisor& xen, Lifecycle& life, Link& link,
                          const MigrationJob& job, Wanted wanted) {
  return settle_sent_guest(
      xen, life, [&]() -> Link& { return link; }, job, wanted);
}

namespace {

[[noreturn]] void fail_gone_here(const MigrationJob& job) {
  const auto why = fmt::format(
      "{} is not here any more: somebody has destroyed it, or this host was restarted", job.name);
  if (job.source_state() != SourceState::given_away) fail(Errc::no_domain, "{}", why);
  fail(Errc::needs_operator,
       "{}; the copy on {} may be the only one; if it is to run there, try: ferry job resume "
       "--force {}",
       why, job.peer.text, job.id);
}

}  // namespace

void take_back_sent_guest(const Hypervisor& xen, Lifecycle& life, const MigrationJob& known,
                          bool force) {
  const FileLock lock = lock_for_us(known.id);
  const MigrationJob job = read_again(known);
  if (job.source_state() == SourceState::done)
    fail(Errc::usage, "job {} is settled: {} was given to {}", job.id, job.name, job.peer.text);
  if (job.source_state() == SourceState::given_away && !force)
    fail(Errc::usage,
         "{} was given to {}, where it may run: only that host can say; ferry job abort asks it "
         "(--force resumes the guest here all the same, and if it runs there too, both copies "
         "destroy its disks)",
         job.name, job.peer.text);
  struct Nobody final : HandoverOutbox {
    void send(HandoverMessage) override {}
  } nobody;
  std::optional<GuestCustody> custody = custody_of_job(xen, life, job);
  if (!custody) fail_gone_here(job);
  GuestHere guest(life, job, custody);
  JobJournal journal(job);
  SourceHandover(job.source_state(), journal, guest, nobody).force_take_back();
}

}  // namespace ferry
