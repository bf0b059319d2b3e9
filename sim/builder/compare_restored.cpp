// Comparison of two restored guests.
#include "sim/builder/compare_restored.h"

#include <cstring>

#include <fmt/format.h>

#include "error/error.h"
#include "sim/machine/pte.h"

namespace ferry::sim {

namespace {

constexpr size_t kMostSentences = 20;
constexpr uint64_t kInvalid = ~uint64_t{0};
constexpr std::array<std::string_view, static_cast<size_t>(OnPurpose::kinds)> kNames = {
    "keeps_identity_entries", "keeps_p2m_flag", "fixes_p2m_cr3", "counts_pages_to_p2m_end",
    "refuses_foreign_frames"};

// One restored guest, its machine frames renamed.
class Side {
 public:
  explicit Side(const RestoredBy& by) : by_(by), view_(view_guest(by.host, by.domid)) {}

  const RestoreRules& rules() const { return by_.rules; }
  const GuestView& view() const { return view_; }
  bool has(uint64_t pfn) const { return view_.pages.count(pfn) != 0; }

  // A p2m entry: the pfn of a frame that is the guest's own at that place, or what stands there.
  uint64_t p2m_entry(uint64_t leaf_pfn, unsigned i, uint64_t pfn) const {
    const uint64_t entry = word(leaf_pfn, i);
    return own(entry) && by_.host.m2p(mfn_t(entry)) == pfn ? pfn : entry;
  }

  start_info_t start_info(uint64_t pfn) const {
    start_info_t start;
    memcpy(&start, view_.pages.at(pfn).bytes.data(), sizeof start);
    const Domain* d = by_.host.find_domain(by_.domid);
    if (start.shared_info == d->shared_info_mfn << kPageShift) start.shared_info = 0;
    start.store_mfn = renamed(start.store_mfn);
    start.console.domU.mfn = renamed(start.console.domU.mfn);
    return start;
  }

  shared_info_t shared_info() const {
    shared_info_t shared;
    memcpy(&shared, view_.shared_info.data(), sizeof shared);
    return shared;
  }
  // The pfn of the table that cr3 names, 0 for none, kForeignPfn for a stale one.
  uint64_t table_of(uint64_t cr3) const { return cr3 ? renamed(cr3 >> kPageShift) : 0; }

 private:
  bool own(uint64_t mfn) const {
    return by_.host.valid(mfn_t(mfn)) && by_.host.frame(mfn_t(mfn)).owner == by_.domid;
  }
  uint64_t renamed(uint64_t mfn) const { return own(mfn) ? by_.host.m2p(mfn_t(mfn)) : kForeignPfn; }
  uint64_t word(uint64_t pfn, unsigned i) const {
    uint64_t value = 0;
    memcpy(&value, view_.pages.at(pfn).bytes.data() + i * 8, 8);
    return value;
  }

  const RestoredBy& by_;
  GuestView view_;
};

class Comparison {
 public:
  Comparison(const ScratchGuest& built, const RestoredBy& a, const RestoredBy& b,
             OnPurposeCounts& counts)
      : built_(built), a_(a), b_(b), counts_(counts) {}

  std::vector<std::string> run() {
    sentences_ = compare_views(built_, a_.view(), b_.view());
    compare_leaves();
    if (a_.has(built_.start_info) && b_.has(built_.start_info)) compare_start_info();
    compare_shared_info();
    return std::move(sentences_);
  }

 private:
  template <typename... Args>
  void add(fmt::format_string<Args...> format, Args&&... args) {
    if (sentences_.size() < kMostSentences)
      sentences_.push_back(fmt::format(format, std::forward<Args>(args)...));
  }

  // True if exactly one side follows the rule and each has the value that follows from it.
  template <typename T>
  bool on_purpose(OnPurpose difference, bool RestoreRules::*rule, const T& x, const T& y,
                  const T& with, const T& without) {
    const bool a_does = a_.rules().*rule, b_does = b_.rules().*rule;
    if (a_does == b_does || x != (a_does ? with : without) || y != (b_does ? with : without))
      return false;
    ++counts_[static_cast<size_t>(difference)];
    return true;
  }

  void compare_leaves() {
    for (uint64_t leaf = 0; leaf < built_.leaves.size(); ++leaf) {
      const uint64_t page = built_.leaves[leaf];
      if (!a_.has(page) || !b_.has(page)) continue;  // compare_views has said so
      for (unsigned i = 0; i < 512; ++i) {
        const uint64_t pfn = leaf * 512 + i, identity = pfn | uint64_t{1} << 62;
        const uint64_t x = a_.p2m_entry(page, i, pfn), y = b_.p2m_entry(page, i, pfn);
        if (x != y && !on_purpose(OnPurpose::keeps_identity_entries,
                                  &RestoreRules::keeps_identity_entries, x, y, identity, kInvalid))
          add("p2m of pfn {:#x} is {:#x} and {:#x}", pfn, x, y);
      }
    }
  }

  void compare_start_info() {
    start_info_t x = a_.start_info(built_.start_info), y = b_.start_info(built_.start_info);
    if (x.flags != y.flags && !on_purpose(OnPurpose::keeps_p2m_flag, &RestoreRules::keeps_p2m_flag,
                                          x.flags, y.flags, uint32_t{SIF_VIRT_P2M_4TOOLS}, 0u))
      add("start_info has flags {:#x} and {:#x}", x.flags, y.flags);
    if (x.nr_pages != y.nr_pages &&
        !on_purpose(OnPurpose::counts_pages_to_p2m_end, &RestoreRules::counts_pages_to_p2m_end,
                    x.nr_pages, y.nr_pages, built_.p2m_entries, built_.spec.pages))
      add("start_info says {} and {} pages", x.nr_pages, y.nr_pages);
    x.flags = y.flags;
    x.nr_pages = y.nr_pages;
    if (memcmp(&x, &y, sizeof x)) add("start_info differs");
    const auto rest = [&](const Side& side) {
      return side.view().pages.at(built_.start_info).bytes.data() + sizeof x;
    };
    if (memcmp(rest(a_), rest(b_), kPageSize - sizeof x)) add("the page of start_info differs");
  }

  void compare_shared_info() {
    shared_info_t x = a_.shared_info(), y = b_.shared_info();
    const uint64_t p = a_.table_of(x.arch.p2m_cr3), q = b_.table_of(y.arch.p2m_cr3);
    if (x.arch.p2m_cr3 != y.arch.p2m_cr3 && p != q &&
        !on_purpose(OnPurpose::fixes_p2m_cr3, &RestoreRules::fixes_p2m_cr3, is_sound(p),
                    is_sound(q), true, false))
      add("shared_info's p2m_cr3 is {:#x} and {:#x}", x.arch.p2m_cr3, y.arch.p2m_cr3);
    x.arch.p2m_cr3 = y.arch.p2m_cr3;
    const auto *from = reinterpret_cast<const uint8_t*>(&x),
               *to = reinterpret_cast<const uint8_t*>(&y);
    for (size_t at = 0; at < sizeof x; ++at)
      if (from[at] != to[at]) return add("shared_info differs from byte {:#x}", at);
  }
  bool is_sound(uint64_t p2m_table) const {
    return p2m_table == 0 || p2m_table == built_.kernel_l4;
  }

  const ScratchGuest& built_;
  const Side a_, b_;
  OnPurposeCounts& counts_;
  std::vector<std::string> sentences_;
};

}  // namespace

std::string_view name_of(OnPurpose difference) {
  return kNames[static_cast<size_t>(difference)];
}

std::vector<std::string> compare_two_restored(const ScratchGuest& built, const RestoredBy& a,
                                              const RestoredBy& b, OnPurposeCounts& counts) {
  return Comparison(built, a, b, counts).run();
}

}  // namespace ferry::sim
