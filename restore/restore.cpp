// Restoring a PV guest: from an image into a domain that was just created.
#include "restore/restore.h"

#include <algorithm>
#include <vector>

#include "pipeline/pool.h"
#include "proto/pages.h"
#include "proto/record_reader.h"
#include "restore/guest_memory.h"
#include "xen/cpu_policy.h"

namespace ferry {
namespace {

uint64_t mib(uint64_t pages) {
  return pages * kPageSize >> 20;
}

class Restore {
 public:
  Restore(const Hypervisor& xen, const RestoreTarget& target, ByteSource& source,
          Executor& executor, const RestoreCallbacks& callbacks)
      : xen_(xen), target_(target), reader_(source), executor_(executor), callbacks_(callbacks) {}

  RestoreResult run();

 private:
  friend class RecordJob;

  std::unique_ptr<Job> next_record();
  void read_head();
  void check_memory(const DomainInfo& domain) const;
  void set_policy(const v1::CpuPolicy& policy);
  void finish_static_data();
  void take(const v1::Record& record);
  void take_pages(const RawRecord& raw, const PagesView& view, std::span<const std::byte> pages);
  void check_complete() const;

  const Hypervisor& xen_;
  const RestoreTarget& target_;
  RecordReader reader_;
  Executor& executor_;
  const RestoreCallbacks& callbacks_;

  v1::Head head_;
  std::unique_ptr<GuestMemory> memory_;
  GuestState state_;
  bool cpuid_set_ = false, msrs_set_ = false, static_data_done_ = false;
  uint64_t pages_done_ = 0;

  Pool<PagesDecoder> decoders_;
};

// One record: its digest and decompression anywhere, its effect in order.
class RecordJob final : public Job {
 public:
  RecordJob(Restore& restore, RawRecord raw) : restore_(restore), raw_(std::move(raw)) {}

  void work() override {
    check_digest(raw_);
    if (raw_.kind != v1::Record::kPages) return;
    view_ = decode_pages(raw_, restore_.head_.nr_pfns());
    decoder_ = restore_.decoders_.take();
    pages_ = decoder_->decompress(raw_, view_);
  }

  void consume() override {
    if (raw_.kind != v1::Record::kPages) {
      restore_.take(parse_record(raw_));
      return;
    }
    restore_.take_pages(raw_, view_, pages_);
    restore_.decoders_.give_back(std::move(decoder_));
  }

 private:
  Restore& restore_;
  RawRecord raw_;
  PagesView view_;
  std::unique_ptr<PagesDecoder> decoder_;
  std::span<const std::byte> pages_;
};

RestoreResult Restore::run() {
  const DomainInfo domain = get_domain(xen_, target_.domid);
  if (domain.hvm) fail(Errc::unsupported, "domain {} is no PV guest", raw(target_.domid));
  read_head();
  check_memory(domain);
  memory_ = std::make_unique<GuestMemory>(xen_, target_.domid, head_.nr_pfns());
  executor_.run([&] { return next_record(); });
  check_complete();
  return state_.apply(xen_, target_, head_, memory_->frames());
}

// Magic and Head come first, and all the rest depends on them.
void Restore::read_head() {
  while (auto record = reader_.next()) {
    check_digest(*record);
    if (record->kind == v1::Record::kMagic) continue;
    if (record->kind != v1::Record::kHead) break;
    head_ = parse_record(*record).head();
    check_head(head_);
    return;
  }
  fail(Errc::bad_image, "the image is bad: it does not begin with its head");
}

void Restore::check_memory(const DomainInfo& domain) const {
  const uint64_t needed = head_.populated_pages();
  if (needed > domain.max_pages)
    fail(Errc::no_memory,
         "the guest needs {} MiB, but the domain may have only {} MiB: raise its memory setting",
         mib(needed), mib(domain.max_pages));
  const uint64_t free = free_pages(xen_) + domain.nr_pages;
  if (needed > free)
    fail(Errc::no_memory, "the guest needs {} MiB, but the host has only {} MiB free", mib(needed),
         mib(free));
}

std::unique_ptr<Job> Restore::next_record() {
  if (callbacks_.stop && *callbacks_.stop) fail(Errc::aborted, "the restore was told to stop");
  auto record = reader_.next();
  if (!record) return nullptr;
  return std::make_unique<RecordJob>(*this, std::move(*record));
}

void Restore::set_policy(const v1::CpuPolicy& policy) {
  if (static_data_done_ || cpuid_set_ || msrs_set_)
    fail(Errc::bad_image, "the image is bad: its CPU policy comes twice or too late");
  const auto leaves = std::as_bytes(std::span(policy.cpuid_leaves()));
  const auto msrs = std::as_bytes(std::span(policy.msrs()));
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

void Restore::take(const v1::Record& record) {
  switch (record.body_case()) {
    case v1::Record::kHead:
      fail(Errc::bad_image, "the image is bad: it has a second head");
    case v1::Record::kCpuPolicy:
      set_policy(record.cpu_policy());
      break;
    case v1::Record::kPopulated: {
      finish_static_data();
      uint64_t next = record.populated().first_pfn();
      const auto& runs = record.populated().runs();
      for (int i = 0; i + 1 < runs.size(); i += 2) {
        if (runs[i] > head_.nr_pfns() || next > head_.nr_pfns() - runs[i])
          fail(Errc::bad_image, "the image is bad: it populates pages beyond the guest's end");
        memory_->populate_range(pfn_t(next + runs[i]), runs[i + 1]);
        next += runs[i] + runs[i + 1];
      }
      break;
    }
    case v1::Record::kTsc:
    case v1::Record::kSharedInfo:
    case v1::Record::kVcpu:
      state_.take(record, head_);
      break;
    default:
      break;  // for others: config, timeline, p2m frames, index, and what newer versions add
  }
}

void Restore::take_pages(const RawRecord&, const PagesView& view,
                         std::span<const std::byte> pages) {
  finish_static_data();
  memory_->put_pages(view.runs, pages);
  for (const PageRun& run : view.runs)
    if (run.kind != v1::ABSENT) pages_done_ += run.count;
  if (callbacks_.progress)
    callbacks_.progress({"restoring memory", std::min(pages_done_, head_.populated_pages()),
                         head_.populated_pages(), 0});
}

// The reader has seen End. What is left: frames that something asked for but no page filled.
void Restore::check_complete() const {
  memory_->frames().for_each_frame([](pfn_t pfn, mfn_t, v1::PageKind kind) {
    if (kind == v1::ABSENT)
      fail(Errc::bad_image,
           "the image is bad: something in it refers to page {:#x}, which it does not contain",
           pfn.raw());
  });
}

}  // namespace

RestoreResult restore_domain(const Hypervisor& xen, const RestoreTarget& target, ByteSource& source,
                             Executor& executor, const RestoreCallbacks& callbacks) {
  return Restore(xen, target, source, executor, callbacks).run();
}

}  // namespace ferry
