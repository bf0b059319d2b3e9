// A guest that is given away, as the handover wants it.
#include "migrate/guest_here.h"

#include <chrono>

#include "custody/host_boot.h"
#include "custody/suspend_mark.h"
#include "error/error.h"
#include "migrate/job_mark.h"
#include "text/printable.h"
#include "text/say.h"

namespace ferry {
namespace {

constexpr unsigned kMostNames = 9;
// An engine whose ferry was killed leaves soon.
constexpr std::chrono::seconds kLeaves{10};

// Only an earlier version of ferry wrote journals that do not say which domain it is.
std::optional<domid_t> domain_of(const Hypervisor& xen, Lifecycle& life, const MigrationJob& job) {
  if (job.boot.empty()) {
    const std::vector<DomainHere> all = life.with_uuid(job.uuid);
    return all.empty() ? std::nullopt : std::optional(all.front().domid);
  }
  const domid_t domid{job.domid};
  try {
    const DomainInfo now = get_domain(xen, domid);
    if (is_of(job, now) && !now.dying) return domid;
  } catch (const Error& e) {
    if (e.code() != Errc::no_domain) throw;
  }
  return std::nullopt;
}

}  // namespace

std::optional<GuestCustody> custody_of_job(const Hypervisor& xen, Lifecycle& life,
                                           const MigrationJob& job) {
  const auto domid = domain_of(xen, life, job);
  if (!domid) return std::nullopt;
  const auto until = std::chrono::steady_clock::now() + kLeaves;
  std::optional<GuestCustody> custody;
  try {
    custody.emplace(xen, life, *domid, DomainLock::wait_for(*domid, [&] {
                      return std::chrono::steady_clock::now() < until;
                    }));
  } catch (const Error& e) {
    if (e.code() == Errc::no_domain) return std::nullopt;
    if (e.code() != Errc::aborted) throw;
    fail(Errc::busy, "{} (domain {}) is in other hands", job.name, raw(*domid));
  }
  custody->belongs_to(job.id);
  // A job that is settled has no say any more, unless it died before the guest ran again.
  if (!job.settled() || job_in_suspend_mark(custody->look()) == job.id) custody->take_over();
  return custody;
}

std::string stays_here(const DomainInfo& domain, const std::string& name) {
  if (!domain.suspended) return name + (domain.paused ? " is paused here" : " runs on here");
  const std::vector<NamedFile> images = images_in_suspend_mark(domain);
  const std::string unless =
      images.empty() ? ""
                     : fmt::format(" (only if {}, which has it as it is, was restored nowhere)",
                                   images.front().path);
  return fmt::format(
      "{} is suspended here, as it was before; to let it go on{}, here, try: ferry resume {}", name,
      unless, raw(domain.domid));
}

std::string GuestHere::stays_here() {
  return ferry::stays_here(custody_->look(), name_);
}

SourceCopy GuestHere::look() {
  if (!present()) return SourceCopy::gone;
  return custody_->untouched() ? SourceCopy::suspended : SourceCopy::runs;
}

// Nobody may take it for the one that runs. xl itself leaves domains of the usual name behind.
void GuestHere::set_aside() {
  if (!custody_) fail(Errc::no_domain, "{} is not here any more", name_);
  custody_->check_untouched();
  leave_job_mark(job_, JobMark::given_away);
  custody_->about_to_give_away();
  for (unsigned n = 1;; ++n) {
    const std::string away = away_name(name_);
    const std::string name = n == 1 ? away : fmt::format("{}-{}", away, n);
    if (n < kMostNames && life_.find_if_there(name)) continue;
    return life_.rename(custody_->domid(), name);
  }
}

// Its name comes last: nothing of that may keep it from running.
void GuestHere::resume() {
  if (!custody_) return;
  custody_->give_back();
  clear_job_mark(job_, JobMark::given_away);
  if (custody_->there()) give_its_name_back();
}

void GuestHere::give_its_name_back() {
  if (!life_.name(custody_->domid()).starts_with(away_name(name_))) return;
  try {
    life_.rename(custody_->domid(), name_);
  } catch (const Error& e) {
    // It runs, and that is what counts.
    const std::string now = life_.name(custody_->domid());
    say(
        fmt::format("ferry: {0} runs on here, but is called {1}: {2}; once the name is free, try: "
                    "xl rename {1} {0}\n",
                    printable(name_), printable(now), printable(e.what())));
  }
}

void GuestHere::destroy() {
  if (!present()) return;
  custody_->check_untouched();
  custody_->destroy();
}

}  // namespace ferry
