// The memory of a guest that runs.
#include "save/live/live_pages.h"

#include <algorithm>
#include <chrono>

#include "save/start_info_page.h"

namespace ferry {
namespace {

// A guest that gives memory back gets it accounted for within a second.
constexpr uint64_t kReleaseUs = 500'000;

// What the policy reckons with between asking the guest to suspend and its standing still: Linux
// freezes its tasks and suspends its devices.
constexpr uint64_t kExpectedSuspendUs = 60'000;

uint64_t steady_us() {
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(
                                   std::chrono::steady_clock::now().time_since_epoch())
                                   .count());
}

PfnSet all_of(uint64_t nr_pfns) {
  PfnSet all(nr_pfns);
  for (uint64_t n = 0; n < nr_pfns; ++n) all.add(pfn_t(n));
  return all;
}

}  // namespace

LivePages::LivePages(BatchContext& context, std::shared_ptr<const GuestView> guest,
                     uint64_t nr_pfns, std::shared_ptr<const MachineToPhys> m2p, Executor& executor,
                     const LiveOptions& options, std::function<void()> check)
    : context_(context),
      pass_{.guest = std::move(guest),
            .misfits = Misfits::put_off,
            .observer = this,
            .progress = nullptr},
      m2p_(std::move(m2p)),
      executor_(executor),
      options_(options),
      check_(std::move(check)),
      states_(nr_pfns),
      tracking_(make_tracking(options.track, context.xen, context.domid, states_)),
      policy_(options.policy) {
  started_us_ = released_us_ = scan_began_us_ = now_us();
  report_.track = tracking_->name();
}

uint64_t LivePages::now_us() const {
  return options_.now_us ? options_.now_us() : steady_us();
}

void LivePages::absent(pfn_t pfn) {
  states_.absent(pfn);
}

void LivePages::copied(pfn_t pfn, const std::byte* raw) {
  tracking_->copied(pfn, raw);
}

void LivePages::sent(pfn_t pfn, mfn_t mfn, v1::PageKind kind, const std::byte* canonical) {
  states_.sent(pfn, mfn, kind);
  tracking_->sent(pfn, kind, canonical);
}

void LivePages::put_off(pfn_t pfn) {
  states_.put_off(pfn);
}

// The p2m may have moved. A guest in the middle of moving it has no sound one: then the old view
// has to do for a while, and what is wrong with it shows as pages to be sent again.
void LivePages::renew_view(bool always) {
  if (!running() || (!always && pass_.guest->still_published())) return;
  std::shared_ptr<const GuestView> view;
  try {
    view = view_running_guest(context_.xen, get_domain(context_.xen, context_.domid), m2p_, 1);
  } catch (const Error& e) {
    if (e.code() != Errc::guest) throw;
    return;
  }
  if (view->nr_pfns() > states_.nr_pfns())
    fail(Errc::guest,
         "domain {} has grown from {} to {} pages while it was being saved; save it again",
         raw(context_.domid), states_.nr_pfns(), view->nr_pfns());
  pass_.guest = std::move(view);
}

void LivePages::between_batches() {
  check_();
  if (!running() || now_us() - released_us_ < kReleaseUs) return;
  renew_view(false);
  tracking_->release_gone(*pass_.guest);
  released_us_ = now_us();
}

ScanResult LivePages::look(bool last) {
  enter(last ? "last pass" : "looking", 0);
  renew_view(!pass_.guest->published().linear());
  const uint64_t began = now_us();
  round_us_ = began - scan_began_us_;
  scan_began_us_ = began;
  ScanContext context{context_.xen, context_.domid, executor_,
                      states_,      *tracking_,     [this] { between_batches(); }};
  return scan(context, pass_.guest, last);
}

// What has no frame goes first: the restore gives that memory back before it needs it elsewhere.
void LivePages::send(const PfnSet& gone, const PfnSet& dirty) {
  const uint64_t began = now_us();
  const uint64_t wanted = dirty.count();
  progress_.round = pass_.round;
  enter(running() ? "sending" : "last pass", wanted);
  PassProgress progress(wanted, [&](const Progress& p) { show(p.pages_done, wanted); });
  pass_.progress = &progress;
  PageCursor holes{.wanted = &gone, .kind = PageCursor::Kind::gone};
  PageCursor pages{.wanted = &dirty};
  executor_.run(
      [&]() -> std::unique_ptr<Job> {
        between_batches();
        if (auto batch = PageBatch::next(context_, pass_, holes)) return batch;
        return PageBatch::next(context_, pass_, pages);
      },
      [this] { between_batches(); });
  send_us_ = now_us() - began;
  sent_pages_ = progress.pages_done();
  progress_.pages_sent += sent_pages_;
  report_.round_us.push_back(now_us() - started_us_);
  report_.round_pages.push_back(sent_pages_);
  ++pass_.round;
}

Decision LivePages::decide(const ScanResult& found, uint64_t scan_us) {
  if (options_.control && options_.control->max_downtime_us != 0)
    policy_.set_max_downtime(options_.control->max_downtime_us);
  RoundFigures f;
  f.round = pass_.round;
  f.dirty_bytes = found.changed * kPageSize;
  f.owed_bytes = found.owed * kPageSize;
  f.round_us = round_us_;
  f.scan_us = scan_us;
  f.sent_bytes = sent_pages_ * kPageSize;
  f.send_us = send_us_;
  f.elapsed_us = now_us() - started_us_;
  f.suspend_us = kExpectedSuspendUs;
  const Decision decision = policy_.decide(f);
  report_.predicted = decision.downtime;
  report_.stalled = decision.stalled;
  progress_.expected_downtime_us = decision.downtime.memory_us + decision.downtime.fixed_us;
  progress_.dirty_pages_per_second = found.changed * 1'000'000 / std::max<uint64_t>(round_us_, 1);
  if (options_.log) options_.log(decision.why);
  if (options_.decided) options_.decided(f, decision);
  return decision;
}

void LivePages::send_while_running() {
  send(PfnSet(states_.nr_pfns()), all_of(states_.nr_pfns()));
  for (;;) {
    const ScanResult found = look(false);
    const Decision decision = decide(found, now_us() - scan_began_us_);
    if (decision.verdict == Decision::Verdict::suspend) {
      // The log has forgotten them by now.
      for (pfn_t pfn = found.dirty.next(pfn_t(0)); pfn.raw() < states_.nr_pfns();
           pfn = found.dirty.next(pfn + 1))
        states_.put_off(pfn);
      enter("suspending", found.dirty.count());
      return;
    }
    if (decision.verdict == Decision::Verdict::cancel)
      fail(
          Errc::guest,
          "domain {} changes its memory faster than it can be sent: it would stand still for {} ms "
          "instead of {} ms, so it was left running",
          raw(context_.domid), decision.downtime.memory_us / 1000,
          policy_.options().max_downtime_us / 1000);
    send(found.gone, found.dirty);
  }
}

// Written by others than the guest, which no log tells: its rings. Its start_info page was copied
// before anybody knew that it is one.
void LivePages::add_never_logged(PfnSet& dirty) const {
  mfn_t mfn;
  if (!pass_.guest->frame_of(pass_.start_info, mfn)) return;
  dirty.add(pass_.start_info);
  ForeignMapping page(context_.xen, context_.domid, PROT_READ, {&mfn, 1}, "start_info");
  for (pfn_t ring : rings_of_start_info(page.page(0)))
    if (pass_.guest->frame_of(ring, mfn)) dirty.add(ring);
}

void LivePages::send_the_rest(std::shared_ptr<const GuestView> guest, pfn_t start_info) {
  pass_.guest = std::move(guest);
  pass_.start_info = start_info;
  pass_.misfits = Misfits::refused;
  if (pass_.guest->nr_pfns() > states_.nr_pfns())
    fail(Errc::guest, "domain {} has grown to {} pages while it was being saved; save it again",
         raw(context_.domid), pass_.guest->nr_pfns());
  const uint64_t began = now_us();
  ScanResult found = look(true);
  add_never_logged(found.dirty);
  report_.last_scan_us = now_us() - began;
  send(found.gone, found.dirty);
  report_.last_send_us = send_us_;
  for (uint64_t n = 0; n < states_.nr_pfns(); ++n)
    if (states_.owed(pfn_t(n))) fail(Errc::internal, "page {:#x} of the guest was forgotten", n);
}

void LivePages::enter(const char* phase, uint64_t pages_of_round) {
  progress_.phase = phase;
  show(0, pages_of_round);
}

void LivePages::show(uint64_t pages_done, uint64_t pages_of_round) {
  if (!options_.progress) return;
  LiveProgress p = progress_;
  p.pages_total = states_.nr_pfns();
  p.pages_sent += pages_done;
  p.round_pages = pages_of_round;
  p.pages_left = pages_of_round - std::min(pages_done, pages_of_round);
  p.image_bytes = context_.writer.bytes_written();
  p.elapsed_us = now_us() - started_us_;
  p.bytes_per_second =
      static_cast<uint64_t>(static_cast<double>(p.image_bytes) * 1e6 /
                            static_cast<double>(std::max<uint64_t>(p.elapsed_us, 1)));
  options_.progress(p);
}

}  // namespace ferry
