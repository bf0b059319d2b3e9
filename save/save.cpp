// Saving a PV guest: from a domain to an image.
#include "save/save.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "proto/record_reader.h"
#include "save/live/live_pages.h"
#include "save/page_batch.h"
#include "save/size_guess.h"
#include "save/static_records.h"
#include "save/vcpu_records.h"
#include "xen/tsc.h"

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
        sink_(sink),
        executor_(executor),
        options_(options),
        callbacks_(callbacks) {}

  SaveResult run() {
    const DomainInfo before = get_domain(xen_, domid_);
    check_can_save(xen_, before);
    if (!callbacks_.suspends_paused) refuse_paused(before);
    return options_.live && !before.suspended ? run_live(before) : run_suspended(before);
  }

 private:
  SaveResult run_suspended(const DomainInfo& before) {
    const auto m2p = std::make_shared<const MachineToPhys>(xen_);
    if (!before.suspended) {
      // Everything that can be refused is refused while the guest still runs.
      check_room(view_running_guest(xen_, before, m2p), before);
      suspend();
    }
    const DomainInfo domain = get_domain(xen_, domid_);
    const auto guest = std::make_shared<const GuestView>(xen_, domain, m2p);
    const std::vector<v1::Vcpu> vcpus = read_vcpus(xen_, domain, *guest);
    const PfnSet populated = populated_pfns(*guest);
    v1::Head head = make_head(xen_, domain, *guest, pfns_of_image(guest->nr_pfns()), populated);
    name_base(head);
    head.set_start_info_pfn(start_info_of(vcpus.front()).raw());
    const uint64_t guest_bytes = head.populated_pages() * kPageSize;

    RecordWriter writer(sink_, head.nr_pfns());
    write_head(writer, head);
    write_static_records(xen_, domain, *guest, head.nr_pfns(), populated, writer);
    write_pages(guest, head, writer);
    write_state(*guest, vcpus, writer);
    check_still_suspended();
    if (options_.timeline) write_timeline(LiveReport{}, head.populated_pages(), writer);
    writer.finish();
    return {guest_bytes, writer.bytes_written(), microseconds(Clock::now() - suspended_at_), {}};
  }

  SaveResult run_live(const DomainInfo& before) {
    const auto m2p = std::make_shared<const MachineToPhys>(xen_);
    auto first = view_running_guest(xen_, before, m2p);
    check_room(first, before);
    const std::vector<pfn_t> first_leaves = first->leaf_pfns();
    const PfnSet populated = populated_pfns(*first);
    v1::Head head =
        make_head(xen_, before, *first, pfns_of_image(first->nr_pfns_with_room()), populated);
    name_base(head);
    head.set_live(true);
    const uint64_t guest_bytes = head.populated_pages() * kPageSize;
    LimitedSink sink(sink_, options_.live->control, callbacks_.stop);
    RecordWriter writer(sink, head.nr_pfns());
    write_head(writer, head);
    write_static_records(xen_, before, *first, head.nr_pfns(), populated, writer);

    BatchContext context{
        xen_, domid_, std::move(first), pfn_t(~uint64_t{0}), writer, options_.level, 0, 0, {}};
    context.base = options_.base;
    LivePages pages(context, head.nr_pfns(), m2p, executor_, *options_.live,
                    [this] { check_stop(); });
    pages.send_while_running();
    pages.set_phase("suspending");
    suspend();
    sink.lift();
    const DomainInfo domain = get_domain(xen_, domid_);
    context.guest = std::make_shared<const GuestView>(xen_, domain, m2p);
    const std::vector<v1::Vcpu> vcpus = read_vcpus(xen_, domain, *context.guest);
    context.start_info = start_info_of(vcpus.front());
    pages.send_the_rest();
    if (context.guest->leaf_pfns() != first_leaves)
      write_p2m_frames(*context.guest, head.nr_pfns(), writer);
    write_state(*context.guest, vcpus, writer);
    check_still_suspended();
    if (options_.timeline) write_timeline(pages.report(), 0, writer);
    writer.finish();
    return {guest_bytes, writer.bytes_written(), microseconds(Clock::now() - suspended_at_),
            pages.report()};
  }

  // A delta may have next to nothing in it.
  void check_room(const std::shared_ptr<const GuestView>& guest, const DomainInfo& domain) const {
    if (!callbacks_.check_room) return;
    callbacks_.check_room(
        options_.base ? 0 : least_image_bytes(xen_, domid_, guest, options_.level),
        domain.nr_pages);
  }

  // A delta says something of all pfns that its base has, if only that they are gone.
  uint64_t pfns_of_image(uint64_t of_guest) const {
    return std::max(of_guest, options_.base ? options_.base->nr_pfns() : uint64_t{0});
  }

  void name_base(v1::Head& head) const {
    if (options_.base == nullptr) return;
    const BaseName name = options_.base->name();
    head.add_required_features(kDeltaFeature);
    v1::Base* base = head.mutable_base();
    base->set_sha256(name.sha256.data(), name.sha256.size());
    base->set_digest_of_digests(name.digest_of_digests.data(), name.digest_of_digests.size());
    base->set_bytes(name.bytes);
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

  void write_head(RecordWriter& writer, const v1::Head& head) const {
    v1::Record record;
    *record.mutable_head() = head;
    writer.write(std::move(record));
    if (!options_.config) return;
    v1::Record config;
    *config.mutable_config() = *options_.config;
    writer.write(std::move(config));
  }

  void write_pages(const std::shared_ptr<const GuestView>& guest, const v1::Head& head,
                   RecordWriter& writer) {
    BatchContext context{xen_,
                         domid_,
                         guest,
                         pfn_t(head.start_info_pfn()),
                         writer,
                         options_.level,
                         0,
                         head.populated_pages(),
                         callbacks_.progress};
    context.base = options_.base;
    PageCursor cursor;
    executor_.run([&]() -> std::unique_ptr<Job> {
      check_stop();
      return PageBatch::next(context, cursor);
    });
  }

  void write_state(const GuestView& guest, const std::vector<v1::Vcpu>& vcpus,
                   RecordWriter& writer) const {
    const TscInfo tsc = get_tsc(xen_, domid_);
    v1::Record record;
    record.mutable_tsc()->set_mode(tsc.mode);
    record.mutable_tsc()->set_nsec(tsc.nsec);
    record.mutable_tsc()->set_khz(tsc.khz);
    record.mutable_tsc()->set_incarnation(tsc.incarnation);
    writer.write(record);
    *record.mutable_shared_info() = make_shared_info(guest);
    writer.write(record);
    for (const v1::Vcpu& vcpu : vcpus) {
      *record.mutable_vcpu() = vcpu;
      writer.write(record);
    }
  }

  void write_timeline(const LiveReport& rounds, uint64_t pages, RecordWriter& writer) const {
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
      timeline->add_round_pages(pages);
    }
    for (uint64_t us : rounds.round_us) timeline->add_round_us(us);
    for (uint64_t sent : rounds.round_pages) timeline->add_round_pages(sent);
    writer.write(std::move(record));
  }

  const Hypervisor& xen_;
  const domid_t domid_;
  ByteSink& sink_;
  Executor& executor_;
  const SaveOptions& options_;
  const SaveCallbacks& callbacks_;
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
