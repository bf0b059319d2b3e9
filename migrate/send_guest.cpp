// The source of a migration.
#include "migrate/send_guest.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <thread>

#include "error/error.h"
#include "migrate/send_image.h"
#include "proto/xl_wrapper.h"
#include "save/give_back.h"
#include "save/save.h"
#include "save/suspend_mark.h"
#include "xen/domain.h"

namespace ferry {
namespace {

using Clock = std::chrono::steady_clock;

// The guest as the handover wants it. Set aside it has xl's name for such a domain, and by its name
// it is told from its copy: that has the same uuid, and may be on this very host.
class GuestHere final : public SourceGuest {
 public:
  GuestHere(const Hypervisor& xen, Lifecycle& life, const MigrationJob& job)
      : xen_(xen), life_(life), uuid_(job.uuid), name_(job.name) {}

  bool present() override { return find(away_name()) || find(name_); }
  // From here on it is the handover that says who may resume it, and not ferry resume.
  void set_aside() override {
    const auto domid = find(name_);
    if (!domid) return;
    clear_suspend_mark(*domid);
    life_.rename(*domid, away_name());
  }
  // Its name comes last: nothing of that may keep it from running.
  void resume() override {
    const auto away = find(away_name());
    const auto domid = away ? away : find(name_);
    if (domid)
      give_back(xen_, life_, *domid,
                may_suspend_yet_ || has_suspend_mark(get_domain(xen_, *domid)));
    if (away) life_.rename(*away, name_);
  }
  void destroy() override {
    if (const auto domid = find(away_name())) life_.destroy(*domid);
  }

  void suspend(domid_t domid) {
    leave_suspend_mark(domid, get_domain(xen_, domid).uuid);  // the engine's note is ours now
    may_suspend_yet_ = true;
    life_.suspend(domid);
    may_suspend_yet_ = false;
  }

 private:
  std::string away_name() const { return name_ + "--migratedaway"; }
  std::optional<domid_t> find(const std::string& name) const {
    try {
      const domid_t domid = life_.find(name);
      const auto uuid = get_domain(xen_, domid).uuid;
      if (std::equal(uuid.begin(), uuid.end(), uuid_.begin(), uuid_.end(),
                     [](uint8_t a, char b) { return a == static_cast<uint8_t>(b); }))
        return domid;
    } catch (const Error& e) {
      if (e.code() != Errc::no_domain) throw;
    }
    return std::nullopt;
  }

  const Hypervisor& xen_;
  Lifecycle& life_;
  std::string uuid_, name_;
  bool may_suspend_yet_ = false;
};

// What the other side says first after its welcome. While the image is sent that can only be bad
// news, and whoever sends wants to know at once.
class FirstAnswer {
 public:
  explicit FirstAnswer(Link& link) : link_(link) {}
  ~FirstAnswer() {
    if (!thread_.joinable()) return;
    link_.hang_up();  // then the other side does too, and we are not kept
    thread_.join();
  }
  void wait(std::function<void()> arrived) {
    thread_ = std::thread([this, arrived = std::move(arrived)] {
      try {
        frame_ = link_.receive();
      } catch (const Error&) {
      }
      arrived();
    });
  }
  // Waits for it; nothing if the link is gone.
  std::optional<v1::MigrateFrame> take() {
    thread_.join();
    return std::move(frame_);
  }
  bool waiting() const { return thread_.joinable(); }

 private:
  Link& link_;
  std::thread thread_;
  std::optional<v1::MigrateFrame> frame_;
};

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

// Nothing has happened to the guest yet. How many connections the image shall come over.
uint32_t greet(Link& link, const v1::MigrateHello& hello, const std::string& peer) {
  v1::MigrateFrame frame;
  *frame.mutable_hello() = hello;
  std::optional<v1::MigrateFrame> answer;
  try {
    link.send(frame);
    answer = link.receive();
  } catch (const Error& e) {
    fail(Errc::io, "{} hung up at once ({})", peer, e.what());
  }
  if (!answer) fail(Errc::io, "{} hung up at once", peer);
  if (answer->has_refusal()) fail(Errc::unsupported, "{}: {}", peer, answer->refusal());
  if (!answer->has_welcome()) fail(Errc::io, "{} does not speak ferry's protocol", peer);
  return std::max(answer->welcome().streams(), 1u);
}

// The first connection, and the further ones that were agreed on.
std::vector<Link*> open_streams(Link& first, const SendRequest& request, uint32_t agreed) {
  std::vector<Link*> links = {&first};
  for (uint32_t stream = 1; stream < std::min(agreed, request.streams); ++stream) {
    Link* link = request.open_stream(stream);
    v1::MigrateFrame join;
    join.mutable_join()->set_job(job_bytes_of(request.job));
    join.mutable_join()->set_stream(stream);
    link->send(join);
    const auto answer = link->receive();
    if (!answer || !answer->has_welcome())
      fail(Errc::io, "{} does not take another connection", request.peer.text);
    links.push_back(link);
  }
  return links;
}

FileLock lock_for_us(const std::string& job) {
  auto lock = lock_job(job, true);
  if (!lock) fail(Errc::busy, "another process still works on job {}", job);
  return std::move(*lock);
}

v1::MigrateHello hello_for(const MigrationJob& job) {
  v1::MigrateHello hello;
  hello.set_version(kMigrateVersion);
  hello.set_job(job_bytes_of(job.id));
  hello.set_name(job.name);
  hello.set_uuid(job.uuid);
  return hello;
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
  v1::MigrateHello hello = hello_for(job);
  hello.set_xl_flags(kXlFlagJson | kXlFlagStreamV2);
  hello.set_libxl_json(life.config_json(domid));
  hello.set_streams(request.streams);
  const FileLock lock = lock_for_us(job.id);
  const uint32_t streams = greet(link, hello, request.peer.text);
  const std::vector<Link*> links = open_streams(link, request, streams);

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
  try {
    greet(link, hello, job.peer.text);
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
