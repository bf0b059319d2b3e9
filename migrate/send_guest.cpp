// The source of a migration.
#include "migrate/send_guest.h"

#include <chrono>

#include "custody/host_boot.h"
#include "custody/leaving.h"
#include "custody/suspend_mark.h"
#include "error/error.h"
#include "migrate/earlier_tries.h"
#include "migrate/greeting.h"
#include "migrate/guest_names.h"
#include "migrate/job_mark.h"
#include "migrate/open_job.h"
#include "migrate/same_guest.h"
#include "migrate/sender.h"
#include "proto/xl_wrapper.h"
#include "save/save.h"
#include "text/printable.h"
#include "text/say.h"
#include "xen/domain.h"

namespace ferry {
namespace {

using Clock = std::chrono::steady_clock;

FileLock lock_for_us(const std::string& job) {
  auto lock = lock_job(job, true);
  if (!lock) fail(Errc::busy, "another process still works on job {}", job);
  return std::move(*lock);
}

// What was known before the lock was had may be old by now.
MigrationJob read_again(const MigrationJob& job) {
  return find_job(job.id, true).value_or(job);
}

// Somebody has started it again here.
void check_alone_here(Lifecycle& life, const MigrationJob& job, bool sent_one_is_here) {
  const auto other = job.settled() ? std::nullopt : same_guest_here(life, job);
  if (other) fail_two_here(job, *other, sent_one_is_here);
}

// The journal says so from here on, before anything depends on it.
MigrationJob as_far_as_it_may_be(Lifecycle& life, const MigrationJob& job) {
  if (job.source_state() != SourceState::sending || !may_be_given_away(life, job)) return job;
  JobJournal journal(job);
  journal.write(SourceState::given_away);
  return journal.job();
}

// What fails before the job has begun has done nothing to the guest.
template <typename Step>
auto before_it_begins(const GuestCustody& custody, const std::string& name, Step step) {
  try {
    return step();
  } catch (const Error& e) {
    if (e.code() == Errc::needs_operator || !custody.look().suspended) throw;
    throw Error(e.code(), fmt::format("{}; {}", e.what(), stays_here(custody.look(), name)),
                e.os_errno());
  }
}

// For people. A job that was settled has no say any more in what somebody else has suspended since.
std::string how_it_goes_on(Lifecycle& life, const MigrationJob& job, const GuestCustody& custody) {
  const DomainInfo now = custody.look();
  if (now.suspended && has_suspend_mark(now) && job_in_suspend_mark(now).empty())
    fail(Errc::needs_operator,
         "domain {0} is suspended here, by a save that was broken off; to let it go on, here, try: "
         "ferry resume {0}",
         raw(now.domid));
  if (now.suspended)
    fail(Errc::needs_operator,
         "domain {0} is suspended here, and was by somebody else: it may run elsewhere; only if it "
         "surely does not: here, try: ferry resume --force {0}",
         raw(now.domid));
  for (const DomainHere& one : life.with_uuid(job.uuid))
    if (one.domid == now.domid) return how_it_is(one, job.name);
  return "runs here";
}

SettledJob settled_before(Lifecycle& life, const MigrationJob& job) {
  const auto again = same_guest_here(life, job);
  if (again) return {Settled::runs_here, how_it_is(*again, job.name)};
  return {Settled::was_taken_back,
          "is not here any more" + tell_namesake(life, job.name, job.uuid)};
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
  refuse_claimed(xen, info);
  check_can_save(xen, info);
  MigrationJob job;
  job.id = request.job;
  job.state = static_cast<unsigned>(SourceState::sending);
  job.name = life.name(info.domid);
  check_name(job.name);
  const Leaving leaving =
      before_it_begins(*custody, job.name, [&] { return look_at_leaving(life, info); });
  tell_notes(job.name, leaving);
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
  const FileLock lock = before_it_begins(*custody, job.name, [&] { return lock_for_us(job.id); });
  std::shared_ptr<void> greeting =
      request.while_greeting ? request.while_greeting(info.domid) : nullptr;
  const std::vector<Link*> links = before_it_begins(*custody, job.name, [&] {
    const uint32_t streams = greet_in_time(link, hello, job);
    return open_streams(link, request, job, streams);
  });
  greeting.reset();

  Sender sender(life, custody, &link, job, request.limits);
  before_it_begins(*custody, job.name, [&] { sender.start(); });
  prune_jobs();
  custody->reading();
  sender.by_state([&] {
    sender.stream(engine, {info.domid, -1, custody->lock().descriptor(), {}}, links);
    sender.hand_over();
  });
  const std::chrono::duration<double> away = Clock::now() - sender.suspended_at();
  return {info.domid,   job.name,      sender.bytes(), info.nr_pages * kPageSize,
          away.count(), hello.paused()};
}

bool may_be_given_away(Lifecycle& life, const MigrationJob& job) {
  if (job.source_state() == SourceState::given_away) return true;
  if (job.source_state() != SourceState::sending || job.boot != host_boot()) return false;
  if (has_job_mark(job.id, JobMark::given_away)) return true;
  for (const DomainHere& one : life.with_uuid(job.uuid))
    if (raw(one.domid) == job.domid) return one.name.starts_with(away_name(job.name));
  return false;
}

SettledJob settle_sent_guest(const Hypervisor& xen, Lifecycle& life, const Connect& connect,
                             const MigrationJob& known, Wanted wanted,
                             const HandoverLimits& limits) {
  const FileLock lock = lock_for_us(known.id);
  const MigrationJob job = as_far_as_it_may_be(life, read_again(known));
  if (job.source_state() == SourceState::done) return {Settled::was_given_away, {}};
  std::optional<GuestCustody> custody = custody_of_job(xen, life, job);
  check_alone_here(life, job, custody.has_value());
  // An operator who gives up what is here does so whether or not it has run since.
  if (custody && wanted != Wanted::there_by_force) custody->was_suspended_with(job.cpu_time_ns);
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
    return sender.runs_there() ? SettledJob{Settled::runs_there, sender.how_it_is_there()}
                               : SettledJob{Settled::given_up, {}};
  if (custody && custody->there()) return {Settled::runs_here, how_it_goes_on(life, job, *custody)};
  if (job.settled())  // the guest may have been started again since
    return settled_before(life, job);
  fail(Errc::needs_operator,
       "{} did not run on {}, and it is not here any more either{}: somebody has destroyed it, or "
       "this host was restarted; here, try: xl create, with its configuration",
       job.name, job.peer.text, tell_namesake(life, job.name, job.uuid));
}

SettledJob settle_sent_guest(const Hypervisor& xen, Lifecycle& life, Link& link,
                             const MigrationJob& job, Wanted wanted) {
  return settle_sent_guest(
      xen, life, [&]() -> Link& { return link; }, job, wanted);
}

namespace {

[[noreturn]] void fail_gone_here(Lifecycle& life, const MigrationJob& job) {
  fail(Errc::needs_operator,
       "{} is not here any more{}: somebody has destroyed it, or this host was restarted; the copy "
       "on {} may be the only one; if it is to run there: here, try: ferry job resume --force {}",
       job.name, tell_namesake(life, job.name, job.uuid), job.peer.text, job.id);
}

// Somebody may have sent the guest to the host that it was on, or back to it by another way.
void refuse_second_copy(Lifecycle& life, const MigrationJob& job, const GuestCustody& custody) {
  for (const DomainHere& copy : life.with_uuid(job.uuid))
    if (copy.domid != custody.domid() && copy.runs())
      fail(Errc::needs_operator,
           "a copy of {} runs here already, as domain {} ({}), and would share its disks with the "
           "one that was given away (domain {}); here, try: ferry job resume {}",
           job.name, raw(copy.domid), copy.name, raw(custody.domid()), job.id);
}

}  // namespace

std::string take_back_sent_guest(const Hypervisor& xen, Lifecycle& life, const MigrationJob& known,
                                 bool force) {
  const FileLock lock = lock_for_us(known.id);
  const MigrationJob job = read_again(known);
  if (job.source_state() == SourceState::done)
    fail(Errc::usage, "job {} is settled: {} was given to {}", job.id, job.name, job.peer.text);
  if (may_be_given_away(life, job) && !force)
    fail(
        Errc::usage,
        "{} was given to {}, where it may run: only that host can say; ferry job abort, here, asks "
        "it (--force resumes the guest here all the same, and if it runs there too, both copies "
        "destroy its disks)",
        job.name, job.peer.text);
  NobodyListens nobody;
  std::optional<GuestCustody> custody = custody_of_job(xen, life, job);
  JobJournal journal(job);
  if (!custody && job.settled())
    fail(Errc::usage, "job {} is settled: {} was taken back, and {}", job.id, job.name,
         settled_before(life, job).how);
  if (!custody) {
    // An operator says that this one counts: the copy on the other host goes when that is told.
    if (!force) check_alone_here(life, job, false);
    if (!force || !same_guest_here(life, job)) fail_gone_here(life, job);
    journal.write(SourceState::taken_back);
    return settled_before(life, job).how;
  }
  refuse_second_copy(life, job, *custody);
  check_alone_here(life, job, true);
  GuestHere guest(life, job, custody);
  SourceHandover handover(job.source_state(), journal, guest, nobody);
  if (!force) custody->was_suspended_with(job.cpu_time_ns);
  force ? handover.force_take_back() : handover.restarted();
  if (!custody->there()) fail_gone_here(life, job);
  return how_it_goes_on(life, job, *custody);
}

}  // namespace ferry
