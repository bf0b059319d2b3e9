// Restoring a PV guest: from an image into a domain that was just created.
#include "restore/restore.h"

#include <algorithm>
#include <memory>

#include "restore/guest_memory.h"
#include "xen/cpu_policy.h"

namespace ferry {
namespace {

uint64_t mib(uint64_t pages) {
  return pages * kPageSize >> 20;
}

class Restore final : public GuestRecords {
 public:
  Restore(const Hypervisor& xen, const RestoreTarget& target, const RestoreCallbacks& callbacks,
          unsigned threads)
      : xen_(xen), target_(target), callbacks_(callbacks), threads_(threads) {}

  RestoreResult run(RecordSource& source);

  void head(const GuestHead& head) override;
  void cpu_policy(std::span<const std::byte> cpuid_leaves,
                  std::span<const std::byte> msrs) override;
  void populated(std::span<const PfnRun> runs) override;
  void pages(std::span<const KindRun> runs, std::span<const std::byte> pages) override;
  void tsc(uint64_t record, const GuestTsc& tsc) override;
  void shared_info(uint64_t record, std::span<const std::byte> page) override;
  void vcpu(uint64_t record, GuestVcpu vcpu) override;

 private:
  GuestMemory& memory();
  void check_memory(uint64_t needed) const;
  void finish_static_data();
  void check_stop() const;
  void check_complete();

  const Hypervisor& xen_;
  const RestoreTarget& target_;
  const RestoreCallbacks& callbacks_;
  const unsigned threads_;

  DomainInfo domain_;
  GuestHead head_;
  std::unique_ptr<GuestMemory> memory_;  // once there is a head
  GuestState state_;
  bool cpuid_set_ = false, msrs_set_ = false, static_data_done_ = false;
  uint64_t pages_done_ = 0;
};

RestoreResult Restore::run(RecordSource& source) {
  domain_ = get_domain(xen_, target_.domid);
  if (domain_.hvm) fail(Errc::unsupported, "domain {} is no PV guest", raw(target_.domid));
  source.read(*this);
  check_complete();
  return state_.apply(xen_, target_, head_, memory().frames());
}

void Restore::check_memory(uint64_t needed) const {
  if (needed > domain_.max_pages)
    fail(Errc::no_memory,
         "the guest needs {} MiB, but the domain may have only {} MiB: raise its memory "
         "setting (ferry restore has --memory for that)",
         mib(needed), mib(domain_.max_pages));
  const uint64_t free = free_pages(xen_) + domain_.nr_pages;
  if (needed > free)
    fail(Errc::no_memory, "the guest needs {} MiB, but the host has only {} MiB free", mib(needed),
         mib(free));
}

void Restore::head(const GuestHead& head) {
  if (memory_) fail(Errc::bad_image, "the image is bad: it has a second head");
  if (head.nr_pfns == 0 || head.nr_pfns > kMostPfns)
    fail(Errc::bad_image, "the guest of this image would have {} pfns; 1 to {} are possible",
         head.nr_pfns, kMostPfns);
  check_memory(head.populated_pages);
  head_ = head;
  memory_ = std::make_unique<GuestMemory>(xen_, target_.domid, head.nr_pfns, threads_);
}

// All the rest depends on the head.
GuestMemory& Restore::memory() {
  if (!memory_) fail(Errc::bad_image, "the image is bad: it does not begin with its head");
  return *memory_;
}

void Restore::check_stop() const {
  if (callbacks_.stop && *callbacks_.stop) fail(Errc::aborted, "the restore was told to stop");
}

void Restore::cpu_policy(std::span<const std::byte> leaves, std::span<const std::byte> msrs) {
  if (static_data_done_ || cpuid_set_ || msrs_set_)
    fail(Errc::bad_image, "the image is bad: its CPU policy comes twice or too late");
  check_policy_size(leaves, msrs);
  if (leaves.size() % kCpuidLeafBytes != 0 || msrs.size() % kMsrEntryBytes != 0)
    fail(Errc::bad_image, "the image is bad: its CPU policy has a torn entry");
  cpuid_set_ = !leaves.empty();
  msrs_set_ = !msrs.empty();
  if (cpuid_set_ || msrs_set_) set_cpu_policy(xen_, target_.domid, leaves, msrs);
}

void Restore::finish_static_data() {
  if (static_data_done_) return;
  static_data_done_ = true;
  if (callbacks_.static_data_done) callbacks_.static_data_done(!cpuid_set_, !msrs_set_);
}

void Restore::populated(std::span<const PfnRun> runs) {
  check_stop();
  GuestMemory& memory = this->memory();
  finish_static_data();
  memory.populate_runs(runs);
}

void Restore::pages(std::span<const KindRun> runs, std::span<const std::byte> pages) {
  check_stop();
  GuestMemory& memory = this->memory();
  finish_static_data();
  memory.put_pages(runs, pages);
  for (const KindRun& run : runs)
    if (run.kind != PageKind::absent) pages_done_ += run.count;
  if (callbacks_.progress)
    callbacks_.progress({"restoring memory", std::min(pages_done_, head_.populated_pages),
                         head_.populated_pages, 0});
}

void Restore::tsc(uint64_t record, const GuestTsc& tsc) {
  state_.take_tsc(record, tsc);
}

void Restore::shared_info(uint64_t record, std::span<const std::byte> page) {
  state_.take_shared_info(record, page);
}

void Restore::vcpu(uint64_t record, GuestVcpu vcpu) {
  memory();
  state_.take_vcpu(record, std::move(vcpu), head_);
}

// The image has come to its end. What is left: frames that something asked for but no page filled.
void Restore::check_complete() {
  memory().frames().for_each_frame([](pfn_t pfn, mfn_t, PageKind kind) {
    if (kind == PageKind::absent)
      fail(Errc::bad_image,
           "the image is bad: something in it refers to page {:#x}, which it does not contain",
           pfn.raw());
  });
}

}  // namespace

RestoreResult restore_domain(const Hypervisor& xen, const RestoreTarget& target,
                             RecordSource& source, const RestoreCallbacks& callbacks,
                             unsigned threads) {
  return Restore(xen, target, callbacks, threads).run(source);
}

}  // namespace ferry
