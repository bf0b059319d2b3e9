// Saving a PV guest: from a domain to an image.
#include "save/save.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "proto/record_reader.h"
#include "save/live/limited_sink.h"
#include "save/live/live_pages.h"
#include "save/page_batch.h"
#include "save/size_guess.h"
#include "save/static_records.h"
#include "save/vcpu_records.h"

namespace ferry {
namespace {

using Clock = std::chrono::steady_clock;

uint64_t microseconds(Clock::duration d) {
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(d).count());
}

class Save {
 public:
  Save(const Hypervisor& xen, domid_t domid, ByteSink& sink, Executor& executor,
       const SaveOptions& options, const SaveCallbacks& callbacks)
      : xen_(xen),
        domid_(domid),
        executor_(executor),
        options_(options),
        callbacks_(callbacks),
        sink_(sink, options.live ? options.live->control : nullptr, callbacks.stop) {}

  // A guest that runs is sent in rounds first if the save is live; from the suspension on there is
  // one way.
  SaveResult run() {
    const DomainInfo before = get_domain(xen_, domid_);
    check_can_save(xen_, before);
    if (!callbacks_.suspends_paused) refuse_paused(before);
    const auto m2p = std::make_shared<const MachineToPhys>(xen_);
    if (!before.suspended) {
      // Everything that can be refused is refused while the guest still runs.
      const auto running = view_running_guest(xen_, before, m2p);
      check_room(running, before);
      if (options_.live) send_while_running(before, running, m2p);
      suspend();
    }
    sink_.lift();
    const DomainInfo domain = get_domain(xen_, domid_);
    const auto guest = std::make_shared<const GuestView>(xen_, domain, m2p);
    const std::vector<v1::Vcpu> vcpus = read_vcpus(xen_, domain, *guest);
    const pfn_t start_info = start_info_of(vcpus.front());
    if (live_)
      send_the_rest(guest, start_info);
    else
      send_all(domain, guest, start_info);
    write_state(*guest, vcpus);
    check_still_suspended();
    const LiveReport rounds = live_ ? live_->report() : LiveReport{};
    if (options_.timeline) write_timeline(rounds);
    writer_->finish();
    if (options_.page_hashes) finish_page_hashes();
    SaveResult result{head_.populated_pages() * kPageSize,
                      writer_->bytes_written(),
                      microseconds(Clock::now() - suspended_at_),
                      {}};
    if (live_) result.live = rounds;
    return result;
  }

 private:
  // What stands before the pages, of one look at the guest. start_info: none while it runs.
  void begin_image(const DomainInfo& domain, const GuestView& guest, uint64_t nr_pfns,
                   pfn_t start_info) {
    const PfnSet populated = populated_pfns(guest);
    head_ = make_head(xen_, domain, guest, pfns_of_image(nr_pfns), populated);
    name_base();
    if (start_info == kNoStartInfo)
      head_.set_live(true);
    else
      head_.set_start_info_pfn(start_info.raw());
    writer_.emplace(sink_, head_.nr_pfns(),
                    options_.page_hashes ? RecordWriter::Hashed::yes : RecordWriter::Hashed::no);
    batches_.reset(new BatchContext{xen_,
                                    domid_,
                                    *writer_,
                                    {options_.level, executor_.width(), options_.clock_ns},
                                    options_.base,
                                    options_.page_hashes});
    write_head();
    write_static_records(xen_, domain, guest, head_.nr_pfns(), populated, *writer_);
  }

  void send_while_running(const DomainInfo& domain, const std::shared_ptr<const GuestView>& guest,
                          const std::shared_ptr<const MachineToPhys>& m2p) {
    begin_image(domain, *guest, guest->nr_pfns_with_room(), kNoStartInfo);
    first_leaves_ = guest->leaf_pfns();
    live_.emplace(*batches_, guest, head_.nr_pfns(), m2p, executor_, *options_.live,
                  [this] { check_stop(); });
    live_->send_while_running();
  }

  void send_the_rest(const std::shared_ptr<const GuestView>& guest, pfn_t start_info) {
    live_->send_the_rest(guest, start_info);
    if (guest->leaf_pfns() != first_leaves_) write_p2m_frames(*guest, head_.nr_pfns(), *writer_);
  }

  void send_all(const DomainInfo& domain, const std::shared_ptr<const GuestView>& guest,
                pfn_t start_info) {
    begin_image(domain, *guest, guest->nr_pfns(), start_info);
    PageObserver nobody;
    PassProgress progress(head_.populated_pages(), callbacks_.progress);
    const Pass pass{
        .guest = guest, .start_info = start_info, .observer = &nobody, .progress = &progress};
    PageCursor cursor;
    executor_.run([&]() -> std::unique_ptr<Job> {
      check_stop();
      return PageBatch::next(*batches_, pass, cursor);
    });
  }

  // A delta may have next to nothing in it.
  void check_room(const std::shared_ptr<const GuestView>& guest, const DomainInfo& domain) const {
    if (!callbacks_.check_room) return;
    callbacks_.check_room(options_.base
                              ? 0
                              : least_image_bytes(xen_, domid_, guest,
                                                  options_.level.value_or(LevelControl::kHighest)),
                          domain.nr_pages);
  }

  // A delta says something of all pfns that its base has, if only that they are gone.
  uint64_t pfns_of_image(uint64_t of_guest) const {
    return std::max(of_guest, options_.base ? options_.base->nr_pfns() : uint64_t{0});
  }

  void name_base() {
    if (options_.base == nullptr) return;
    const BaseName name = options_.base->name();
    head_.add_required_features(kDeltaFeature);
    v1::Base* base = head_.mutable_base();
    base->set_sha256(name.sha256.data(), name.sha256.size());
    base->set_digest_of_digests(name.digest_of_digests.data(), name.digest_of_digests.size());
    base->set_bytes(name.bytes);
  }

  void finish_page_hashes() {
    const RecordWriter::Name name = writer_->name();
    options_.page_hashes->finish(head_.nr_pfns(),
                                 {name.sha256, name.digest_of_digests, name.bytes});
  }

  void check_stop() const {
    if (callbacks_.stop && *callbacks_.stop) fail(Errc::aborted, "the save was told to stop");
  }

  void suspend() {
    check_stop();
    callbacks_.suspend();
    check_stop();
    suspended_at_ = Clock::now();
    // Whoever was asked may have answered too early or for another reason: only Xen knows.
    if (!get_domain(xen_, domid_).suspended)
      fail(Errc::guest, "domain {} did not suspend", raw(domid_));
  }

  // xl resumes a guest whenever a save of its fails, even one that another save has suspended: what
  // was copied since is a mixture of two moments.
  void check_still_suspended() const {
    if (!get_domain(xen_, domid_).suspended)
      fail(Errc::guest, "domain {} was resumed by somebody else while it was being saved",
           raw(domid_));
  }

  void write_head() {
    v1::Record record;
    *record.mutable_head() = head_;
    writer_->write(std::move(record));
    if (!options_.config) return;
    v1::Record config;
    *config.mutable_config() = *options_.config;
    writer_->write(std::move(config));
  }

  void write_state(const GuestView& guest, const std::vector<v1::Vcpu>& vcpus) {
    v1::Record record;
    *record.mutable_tsc() = make_tsc(xen_, domid_);
    writer_->write(record);
    *record.mutable_shared_info() = make_shared_info(guest);
    writer_->write(record);
    for (const v1::Vcpu& vcpu : vcpus) {
      *record.mutable_vcpu() = vcpu;
      writer_->write(record);
    }
  }

  void write_timeline(const LiveReport& rounds) {
    const auto now = Clock::now();
    const auto wall = std::chrono::system_clock::now() - (now - started_at_);
    char host[256] = {};
    gethostname(host, sizeof host - 1);
    v1::Record record;
    v1::Timeline* timeline = record.mutable_timeline();
    timeline->set_started_unix_ms(static_cast<uint64_t>(
        std::chrono::duration_cast<std::chrono::milliseconds>(wall.time_since_epoch()).count()));
    timeline->set_suspended_us(microseconds(suspended_at_ - started_at_));
    timeline->set_finished_us(microseconds(now - started_at_));
    timeline->set_host(host);
    if (rounds.round_us.empty()) {
      timeline->add_round_us(microseconds(now - started_at_));
      timeline->add_round_pages(head_.populated_pages());
    }
    for (uint64_t us : rounds.round_us) timeline->add_round_us(us);
    for (uint64_t sent : rounds.round_pages) timeline->add_round_pages(sent);
    writer_->write(std::move(record));
  }

  const Hypervisor& xen_;
  const domid_t domid_;
  Executor& executor_;
  const SaveOptions& options_;
  const SaveCallbacks& callbacks_;
  LimitedSink sink_;
  v1::Head head_;
  std::optional<RecordWriter> writer_;
  std::unique_ptr<BatchContext> batches_;
  std::optional<LivePages> live_;
  std::vector<pfn_t> first_leaves_;  // of the p2m, as a live image has them
  const Clock::time_point started_at_ = Clock::now();
  Clock::time_point suspended_at_ = started_at_;
};

}  // namespace

void check_can_save(const Hypervisor& xen, const DomainInfo& domain) {
  if (raw(domain.domid) == 0)
    fail(Errc::unsupported, "domain 0 is this host itself: it can be neither saved nor migrated");
  if (domain.hvm)
    fail(Errc::unsupported, "domain {} is an HVM or PVH guest; ferry saves PV guests only",
         raw(domain.domid));
  if (domain.dying) fail(Errc::no_domain, "domain {} is being destroyed", raw(domain.domid));
  if (domain.crashed) fail(Errc::guest, "domain {} has crashed", raw(domain.domid));
  if (domain.shut_down && !domain.suspended)
    fail(Errc::guest, "domain {} is shut down, not running", raw(domain.domid));
  if (guest_width(xen, domain.domid) != 8)
    fail(Errc::unsupported, "domain {} is a 32-bit PV guest; ferry saves 64-bit ones only",
         raw(domain.domid));
}

void refuse_paused(const DomainInfo& domain) {
  if (domain.paused && !domain.suspended)
    fail(Errc::guest,
         "domain {} is paused and cannot answer a request to suspend; ferry save lets it run for "
         "that moment; or unpause it first (xl unpause)",
         raw(domain.domid));
}

SaveResult save_domain(const Hypervisor& xen, domid_t domid, ByteSink& sink, Executor& executor,
                       const SaveOptions& options, const SaveCallbacks& callbacks) {
  return Save(xen, domid, sink, executor, options, callbacks).run();
}

}  // namespace ferry
