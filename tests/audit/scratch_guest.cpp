// A domain that an image is restored into and that never runs.
#include "tests/audit/scratch_guest.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "xen/foreign_mapping.h"
#include "xen/machine_to_phys.h"
#include "xen/page_types.h"
#include "xen/pin.h"
#include "xen/xen_headers.h"

namespace ferry::test {
namespace {

constexpr uint64_t kNone = ~uint64_t{0};
constexpr uint64_t kSparePages = 64;  // beyond what the guest has
constexpr unsigned kEntries = 512;

// Frames whose entries in Xen's table name a pfn of the guest: its own and other guests'.
std::vector<mfn_t> candidates(const Hypervisor& xen, uint64_t nr_pfns) {
  const MachineToPhys m2p(xen);
  std::vector<mfn_t> frames;
  for (uint64_t mfn = 0; mfn < m2p.nr_mfns(); ++mfn)
    if (m2p.entry(mfn_t(mfn)) < nr_pfns) frames.push_back(mfn_t(mfn));
  return frames;
}

}  // namespace

ScratchGuest::ScratchGuest(const Hypervisor& xen, uint64_t pages, unsigned vcpus) : xen_(xen) {
  xen_domctl_createdomain config{};
  config.max_vcpus = vcpus;
  config.max_evtchn_port = 1023;
  config.max_grant_frames = 4;
  config.grant_opts = 1;
  uint32_t domid = 0;
  if (xc_domain_create(xen.xch(), &domid, &config) != 0) fail_xen("create a domain");
  target_.domid = domid_t{static_cast<uint16_t>(domid)};
  if (xc_domain_max_vcpus(xen.xch(), domid, vcpus) != 0 ||
      xc_domain_setmaxmem(xen.xch(), domid, (pages + kSparePages) * kPageSize / 1024) != 0)
    fail_xen("give the domain vCPUs and memory");
  const auto port = [&] { return xc_evtchn_alloc_unbound(xen.xch(), domid, 0); };
  target_.store_evtchn = static_cast<uint32_t>(port());
  target_.console_evtchn = static_cast<uint32_t>(port());
}

ScratchGuest::~ScratchGuest() {
  xc_domain_destroy(xen_.xch(), raw(target_.domid));
}

Witness::Witness(const Hypervisor& xen, domid_t domid, uint64_t nr_pfns)
    : xen_(xen), domid_(domid), frames_(nr_pfns, kNone) {
  const std::vector<mfn_t> all = candidates(xen, nr_pfns);
  const MachineToPhys m2p(xen);
  for (size_t i = 0; i < all.size(); i += kMaxTypeBatch) {
    const auto batch = std::span(all).subspan(i, std::min(kMaxTypeBatch, all.size() - i));
    std::vector<PageType> types;
    get_page_types(xen, domid, batch, types);  // absent: not the domain's
    for (size_t n = 0; n < batch.size(); ++n)
      if (types[n] != kTypeAbsent) frames_[m2p.entry(batch[n])] = batch[n].raw();
  }
}

bool Witness::takes_root() {
  const Pin pin{mfn_t(frames_[root_]), static_cast<int>(root_level_)};
  if (pin_tables(xen_, domid_, {&pin, 1})) return false;
  mmuext_op op{};
  op.cmd = MMUEXT_UNPIN_TABLE;
  op.arg1.mfn = pin.mfn.raw();
  xc_mmuext_op(xen_.xch(), &op, 1, raw(domid_));
  return true;
}

bool Witness::shorten(uint64_t pfn, const std::vector<uint64_t>& entries, unsigned end) {
  const mfn_t frame(frames_[pfn]);
  std::vector<int> errors;
  const ForeignMapping page(xen_, domid_, PROT_READ | PROT_WRITE, {&frame, 1}, errors);
  if (errors[0] != 0) return false;
  std::memset(page.page(0), 0, kPageSize);
  std::copy_n(entries.begin(), end, page.as<uint64_t>());
  return true;
}

std::vector<uint64_t> Witness::read(uint64_t pfn) const {
  const mfn_t frame(frames_[pfn]);
  const ForeignMapping page(xen_, domid_, PROT_READ, {&frame, 1}, "a page table");
  const auto* words = page.as<uint64_t>();
  return {words, words + kEntries};
}

std::optional<uint64_t> Witness::pfn_of(uint64_t mfn) const {
  const auto found = std::ranges::find(frames_, mfn);
  if (found == frames_.end()) return std::nullopt;
  return static_cast<uint64_t>(found - frames_.begin());
}

bool Witness::on_the_way(uint64_t pfn) const {
  return std::ranges::any_of(way_, [&](const Entry& entry) { return entry.pfn == pfn; });
}

// The root is refused for something in this table or below, and taken without its entries.
void Witness::descend(unsigned level, uint64_t pfn) {
  const std::vector<uint64_t> entries = read(pfn);
  unsigned taken = 0, refused = kEntries;
  while (refused - taken > 1) {
    const unsigned middle = (taken + refused) / 2;
    shorten(pfn, entries, middle);
    (takes_root() ? taken : refused) = middle;
  }
  shorten(pfn, entries, refused);
  way_.push_back({level, pfn, refused - 1});
  const uint64_t next = (entries[refused - 1] & 0x000f'ffff'ffff'f000) >> kPageShift;
  const std::optional<uint64_t> below = level > 1 ? pfn_of(next) : std::nullopt;
  if (!below || on_the_way(*below)) return;
  const std::vector<uint64_t> deeper = read(*below);
  if (!shorten(*below, deeper, 0)) return;  // Xen has taken it as a table already
  const bool lies_deeper = takes_root();
  shorten(*below, deeper, kEntries);
  if (lies_deeper) descend(level - 1, *below);
}

std::vector<Witness::Entry> Witness::way_to_refused(unsigned level, uint64_t pfn) {
  way_.clear();
  root_level_ = level;
  root_ = pfn;
  if (pfn >= frames_.size() || frames_[pfn] == kNone) return {};
  const std::vector<uint64_t> entries = read(pfn);
  if (!shorten(pfn, entries, 0) || !takes_root()) return {};
  shorten(pfn, entries, kEntries);
  descend(level, pfn);
  return std::move(way_);
}

}  // namespace ferry::test
