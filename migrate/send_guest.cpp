// The source of a migration.
#include "migrate/send_guest.h"

#include <algorithm>
#include <chrono>
#include <exception>

#include "error/error.h"
#include "migrate/first_answer.h"
#include "migrate/greeting.h"
#include "migrate/guest_here.h"
#include "migrate/send_image.h"
#include "proto/xl_wrapper.h"
#include "save/save.h"
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
  Sender(const Hypervisor& xen, Lifecycle& life, Link& link, MigrationJob job)
      : link_(link),
        guest_(xen, life, job),
        outbox_(link),
        journal_(std::move(job)),
        handover_(journal_.job().source_state(), journal_, guest_, outbox_),
        answer_(link) {}

  void start() { journal_.write(SourceState::sending); }

  // Until all of the guest is sent. Throws; the guest then runs on here.
  void stream(const StreamEngine& engine, domid_t domid, std::vector<Link*> links) {
    image_.emplace(links);
    answer_.wait([this] { image_->stop(); });
    std::exception_ptr link_failure, engine_failure;
    try {
      engine(domid, image_->input(), [&] { return suspend(domid); });
    } catch (...) {
      engine_failure = std::current_exception();
      image_->stop();
    }
    try {
      image_->finish();
      for (Link* link : links)
        if (link != &link_) link->hang_up();
      if (!engine_failure) link_.send_end(image_->chunks());
    } catch (...) {
      link_failure = std::current_exception();
    }
    if (!link_failure && !engine_failure) return;
    handover_.cancel();
    if (suspend_failure_) std::rethrow_exception(suspend_failure_);
    if (was_told_to_stop(engine_failure))
      fail(Errc::aborted, "the migration was told to stop; {} runs on here", name());
    // An engine that cannot write has found what the other side said, or that it is gone.
    link_.hang_up();
    const auto answer = answer_.take();
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
        handover_.link_lost();
        fail_broken();
      }
      take(*frame);
      if (handover_.needs_operator()) fail_unknown();
    }
    if (handover_.state() != SourceState::done) fail_refused();
  }

  void settle(bool want_back) {
    const bool only_tell = handover_.settled();  // the other side may still hold its copy
    handover_.reconnected();
    if (want_back) handover_.cancel();
    if (only_tell) next_frame();
    while (!handover_.settled()) {
      const auto frame = next_frame();
      if (!frame) fail_broken();
      take(*frame);
      if (handover_.needs_operator()) fail_unknown();
    }
  }

  SourceHandover& handover() { return handover_; }
  uint64_t bytes() const { return image_ ? image_->bytes() : 0; }
  Clock::time_point suspended_at() const { return suspended_at_; }

 private:
  bool suspend(domid_t domid) {
    suspended_at_ = Clock::now();
    try {
      guest_.suspend(domid);
      return true;
    } catch (const Error&) {
      suspend_failure_ = std::current_exception();
      return false;
    }
  }

  // Nothing if the link is gone.
  std::optional<v1::MigrateFrame> next_frame() {
    if (answer_.waiting()) return answer_.take();
    try {
      return link_.receive();
    } catch (const Error&) {
      return std::nullopt;
    }
  }

  void take(const v1::MigrateFrame& frame) {
    if (frame.has_refusal()) refusal_ = frame.refusal();
    const auto message = handover_in(frame);
    if (message) handover_.on(*message);
  }

  std::string name() const { return journal_.job().name; }
  [[noreturn]] void fail_broken() {
    if (handover_.state() == SourceState::given_away)
      fail(Errc::needs_operator,
           "{} was given to {} and the link broke before it was said to run there; it is suspended "
           "here and never runs by itself; try: ferry job resume {}",
           name(), journal_.job().peer.text, journal_.job().id);
    fail(Errc::io, "the link to {} broke; {} runs on here", journal_.job().peer.text, name());
  }
  [[noreturn]] void fail_unknown() {
    fail(Errc::needs_operator,
         "{} was about to run on {} when that host went down: look there whether it wrote to its "
         "disks; only if it surely did not, try: ferry job abort --force {}",
         name(), journal_.job().peer.text, journal_.job().id);
  }
  [[noreturn]] void fail_refused() {
    fail(Errc::unsupported, "{} does not take {}: {}; it runs on here", journal_.job().peer.text,
         name(), refusal_.empty() ? "it could not be restored there" : refusal_);
  }

  Link& link_;
  GuestHere guest_;
  LinkOutbox outbox_;
  JobJournal journal_;
  SourceHandover handover_;
  std::exception_ptr suspend_failure_;
  std::string refusal_;
  std::optional<ImageSender> image_;
  FirstAnswer answer_;  // goes before image_, which it may stop
  Clock::time_point suspended_at_ = Clock::now();
};

FileLock lock_for_us(const std::string& job) {
  auto lock = lock_job(job, true);
  if (!lock) fail(Errc::busy, "another process still works on job {}", job);
  return std::move(*lock);
}

}  // namespace

SendReport send_guest(const Hypervisor& xen, Lifecycle& life, const StreamEngine& engine,
                      Link& link, const SendRequest& request) {
  const domid_t domid = life.find(request.domain);
  const DomainInfo info = get_domain(xen, domid);
  check_can_save(xen, info);
  MigrationJob job;
  job.id = request.job;
  job.state = static_cast<unsigned>(SourceState::sending);
  job.name = life.name(domid);
  job.uuid.assign(reinterpret_cast<const char*>(info.uuid.data()), info.uuid.size());
  job.peer = request.peer;
  job.source_secret = new_secret();
  v1::MigrateHello hello = hello_for(job);
  hello.set_xl_flags(kXlFlagJson | kXlFlagStreamV2);
  hello.set_libxl_json(life.config_json(domid));
  hello.set_streams(request.streams);
  const FileLock lock = lock_for_us(job.id);
  const uint32_t streams = greet(link, hello, job);
  const std::vector<Link*> links = open_streams(link, request, job, streams);

  Sender sender(xen, life, link, job);
  sender.start();
  sender.stream(engine, domid, links);
  sender.hand_over();
  const std::chrono::duration<double> away = Clock::now() - sender.suspended_at();
  return {domid, job.name, sender.bytes(), away.count()};
}

Settled settle_sent_guest(const Hypervisor& xen, Lifecycle& life, Link& link,
                          const MigrationJob& job, bool want_back) {
  const FileLock lock = lock_for_us(job.id);
  Sender sender(xen, life, link, job);
  sender.handover().restarted();  // a guest that was never given away runs here, whoever answers
  const bool runs_here = sender.handover().settled();
  v1::MigrateHello hello = hello_for(job);
  hello.set_settle(true);
  MigrationJob known = job;
  try {
    greet(link, hello, known);
  } catch (const Error&) {
    if (!runs_here) throw;
    return Settled::runs_here;
  }
  sender.settle(want_back);
  return sender.handover().state() == SourceState::done ? Settled::runs_there : Settled::runs_here;
}

void take_back_sent_guest(const Hypervisor& xen, Lifecycle& life, const MigrationJob& job,
                          bool force) {
  if (job.source_state() == SourceState::given_away && !force)
    fail(Errc::usage,
         "{} was given to {}, where it may run: only that host can say; ferry job abort asks it "
         "(--force resumes the guest here all the same, and if it runs there too, both copies "
         "destroy its disks)",
         job.name, job.peer.text);
  const FileLock lock = lock_for_us(job.id);
  struct Nobody final : HandoverOutbox {
    void send(Handover) override {}
  } nobody;
  GuestHere guest(xen, life, job);
  JobJournal journal(job);
  SourceHandover(job.source_state(), journal, guest, nobody).force_take_back();
}

}  // namespace ferry
