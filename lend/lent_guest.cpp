// A domain as it is now, for who reads it page by page.
#include "lend/lent_guest.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <thread>

#include "canonicalize/p2m_leaf.h"
#include "canonicalize/table.h"
#include "error/error.h"
#include "save/copy_from_guest.h"
#include "save/start_info_page.h"
#include "save/static_records.h"
#include "save/vcpu_records.h"
#include "xen/cpu_policy.h"
#include "xen/tsc.h"

namespace ferry::lend {
namespace {

constexpr unsigned kLooks = 50;  // at a guest whose vCPUs and p2m change under our eyes
constexpr auto kLookAgain = std::chrono::milliseconds(2);
constexpr size_t kNoFrame = ~size_t{0};

// What a page is taken for. A running guest may be making another thing of it just now.
v1::PageKind kind_of(PageType type, bool leaf) {
  if (type == kTypeAbsent || type == kTypeBroken) return v1::ABSENT;
  const auto kind = static_cast<v1::PageKind>(type);
  if (type != kTypeNone && is_page_table(kind)) return kind;
  return leaf ? v1::P2M_LEAF : v1::DATA;
}

// It runs no instruction as long as nobody lets it.
bool stands_still(const DomainInfo& domain) {
  return domain.paused || domain.suspended || domain.crashed || domain.shut_down;
}

void refuse(const Hypervisor& xen, const DomainInfo& domain) {
  if (raw(domain.domid) == 0)
    fail(Errc::unsupported, "domain 0 is this host itself, whose memory is not read");
  if (domain.hvm)
    fail(Errc::unsupported, "domain {} is an HVM or PVH guest; ferry reads PV guests only",
         raw(domain.domid));
  if (guest_width(xen, domain.domid) != 8)
    fail(Errc::unsupported, "domain {} is a 32-bit PV guest; ferry reads 64-bit ones only",
         raw(domain.domid));
}

struct alignas(64) Copy {
  table_page entries;
};

}  // namespace

LentGuest::LentGuest(const Hypervisor& xen, domid_t domid, std::optional<v1::Config> config)
    : xen_(xen),
      domid_(domid),
      config_(std::move(config)),
      m2p_(std::make_shared<const MachineToPhys>(xen)),
      domain_(get_domain(xen, domid)) {
  check_alive();
  refuse(xen, domain_);
}

// As long as nothing of its memory is mapped, its number can become another domain's.
DomainInfo LentGuest::same_domain() const {
  const DomainInfo now = get_domain(xen_, domid_);
  if (now.uuid != domain_.uuid || now.shared_info != domain_.shared_info)
    fail(Errc::no_domain, "domain {} is gone, and another one has its number now", raw(domid_));
  return now;
}

void LentGuest::check_alive() const {
  if (same_domain().dying) fail(Errc::no_domain, "domain {} is being destroyed", raw(domid_));
}

void LentGuest::look() {
  check_alive();
  for (unsigned looks = kLooks;; --looks) {
    try {
      domain_ = same_domain();
      seen_ = {};
      view_ = view_running_guest(xen_, domain_, m2p_);
      find_kinds();
      make_records();
      return;
    } catch (const Error& error) {
      if (error.code() != Errc::guest || looks <= 1 || stands_still(domain_)) throw;
    }
    std::this_thread::sleep_for(kLookAgain);
  }
}

void LentGuest::find_kinds() {
  kinds_.assign(view_->nr_pfns(), v1::ABSENT);
  pfns_.clear();
  frames_.clear();
  const auto ask = [&] {
    get_page_types(xen_, domid_, frames_, types_);
    for (size_t i = 0; i < frames_.size(); ++i)
      kinds_[pfns_[i].raw()] = static_cast<uint8_t>(kind_of(types_[i], view_->is_leaf(pfns_[i])));
    pfns_.clear();
    frames_.clear();
  };
  for (uint64_t n = 0; n < kinds_.size(); ++n) {
    mfn_t mfn;
    if (!view_->frame_of(pfn_t(n), mfn)) continue;
    pfns_.emplace_back(n);
    frames_.push_back(mfn);
    if (frames_.size() == kMaxTypeBatch) ask();
  }
  if (!frames_.empty()) ask();
}

void LentGuest::make_records() {
  records_.clear();
  v1::Record record;
  const auto put = [&] {
    record.set_sequence(records_.size());
    records_.push_back(encode_record(record));
    record.Clear();
  };
  PfnSet populated(view_->nr_pfns());
  for (uint64_t n = 0; n < kinds_.size(); ++n)
    if (kinds_[n] != v1::ABSENT) populated.add(pfn_t(n));
  const auto vcpus = domain_.suspended ? read_vcpus(xen_, domain_, *view_)
                                       : read_vcpus_as_they_are(xen_, domain_, *view_);
  *record.mutable_head() = make_head(xen_, domain_, *view_, view_->nr_pfns(), populated);
  start_info_.reset();
  if (domain_.suspended) start_info_ = start_info_of(vcpus.front());
  if (start_info_)
    record.mutable_head()->set_start_info_pfn(start_info_->raw());
  else
    record.mutable_head()->set_live(true);
  put();
  if (config_) {
    *record.mutable_config() = *config_;
    put();
  }
  *record.mutable_cpu_policy() = make_cpu_policy(xen_, domid_);
  put();
  *record.mutable_tsc() = make_tsc(xen_, domid_);
  put();
  *record.mutable_shared_info() = make_shared_info(*view_);
  put();
  for (const v1::Vcpu& vcpu : vcpus) {
    *record.mutable_vcpu() = vcpu;
    put();
  }
}

std::vector<PageRun> LentGuest::kinds(uint64_t part) const {
  std::vector<PageRun> runs;
  const uint64_t end = std::min<uint64_t>(kinds_.size(), (part + 1) * kPfnsPerIndexPart);
  for (uint64_t n = part * kPfnsPerIndexPart; n < end; ++n)
    append_page(runs, pfn_t(n), static_cast<v1::PageKind>(kinds_[n]));
  return runs;
}

// The frames, as the p2m has them now.
void LentGuest::find_frames(uint64_t batch) {
  if (!view_ || !view_->still_published()) view_ = view_running_guest(xen_, domain_, m2p_);
  runs_.clear();
  pfns_.clear();
  frames_.clear();
  at_.clear();
  const uint64_t first = batch * borrow::kPfnsPerBatch,
                 end = std::min<uint64_t>(kinds_.size(), first + borrow::kPfnsPerBatch);
  for (uint64_t n = first; n < end; ++n) {
    const auto kind = static_cast<v1::PageKind>(kinds_[n]);
    if (!has_data(kind)) continue;
    append_page(runs_, pfn_t(n), kind);
    pfns_.emplace_back(n);
    mfn_t mfn;
    const bool there = view_->frame_of(pfn_t(n), mfn);
    at_.push_back(there ? frames_.size() : kNoFrame);
    if (there) frames_.push_back(mfn);
  }
}

std::span<const std::byte> LentGuest::pages(uint64_t batch) {
  check_alive();
  find_frames(batch);
  if (pfns_.empty()) return {};
  get_page_types(xen_, domid_, frames_, types_);
  const ForeignMapping mapping(xen_, domid_, PROT_READ, frames_, errors_);
  encoder_.begin(record_, batch, 0, runs_);
  for (size_t i = 0; i < pfns_.size(); ++i) {
    const size_t at = at_[i];
    const bool there = at != kNoFrame && errors_[at] == 0;
    put_page(pfns_[i], there ? mapping.page(at) : nullptr, there ? types_[at] : kTypeAbsent,
             encoder_.place());
    encoder_.added();
  }
  encoder_.finish();
  return record_.record();
}

void LentGuest::put_page(pfn_t pfn, const std::byte* page, PageType type, std::byte* place) {
  if (page == nullptr) {
    ++seen_.lost_pages;
    std::memset(place, 0, kPageSize);
    return;
  }
  const v1::PageKind was = static_cast<v1::PageKind>(kinds_[pfn.raw()]),
                     is = kind_of(type, view_->is_leaf(pfn));
  const v1::PageKind form = has_data(is) && is != v1::DATA ? is : was;
  if (form == v1::DATA) {
    copy_from_guest(page, place);
    if (pfn == start_info_) start_info_to_pfn_form(place);
    return;
  }
  to_pfn_form(form, page, place);
}

// A guest that put something else there cannot be saved, but it can be looked at.
void LentGuest::start_info_to_pfn_form(std::byte* place) {
  try {
    canonicalize_start_info(place, view_->nr_pfns());
  } catch (const Error& error) {
    if (error.code() != Errc::guest) throw;
    ++seen_.lost_entries;
  }
}

void LentGuest::to_pfn_form(v1::PageKind kind, const std::byte* page, std::byte* place) {
  Copy in, out;
  copy_from_guest(page, reinterpret_cast<std::byte*>(in.entries));
  pt_level level = PT_PTE;
  if (kind != v1::P2M_LEAF && !pt_level_of(static_cast<unsigned>(table_level(kind)), level))
    fail(Errc::internal, "page kind {} is no page table", kind_name(kind));
  for (;;) {
    const entry_result done = kind == v1::P2M_LEAF
                                  ? canonicalize_p2m_leaf(in.entries, out.entries, *view_)
                                  : canonicalize_table(level, in.entries, out.entries, *view_);
    if (done.ok()) break;
    in.entries[done.index] = kind == v1::P2M_LEAF ? kInvalidP2mEntry : 0;
    ++seen_.lost_entries;
  }
  std::memcpy(place, out.entries, kPageSize);
}

borrow::Seen LentGuest::seen() const {
  borrow::Seen seen = seen_;
  const DomainInfo now = same_domain();
  seen.one_moment =
      stands_still(domain_) && stands_still(now) && now.cpu_time_ns == domain_.cpu_time_ns;
  return seen;
}

}  // namespace ferry::lend
