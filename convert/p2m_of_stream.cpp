// The guest's p2m as a libxc stream has it.
#include "convert/p2m_of_stream.h"

#include <algorithm>

#include "audit/layout.h"
#include "error/error.h"

namespace ferry::convert {
namespace {

constexpr uint64_t kInvalid = ~uint64_t{0};
constexpr uint64_t kForeign = uint64_t{1} << 63, kIdentity = uint64_t{1} << 62;

}  // namespace

P2mOfStream::P2mOfStream(const Survey& survey) : survey_(survey) {
  for (uint64_t leaf = 0; leaf < survey.leaf_pfns().size(); ++leaf) {
    const uint64_t pfn = survey.leaf_pfns()[leaf];
    if (pfn >= survey.nr_pfns() || survey.type(pfn) != v1::DATA)
      fail(Errc::bad_image, "the stream names pfn {:#x} as p2m leaf {}, which is no page of data",
           pfn, leaf);
    uses_.emplace_back(pfn, leaf);
  }
  std::sort(uses_.begin(), uses_.end());
  const auto shared = audit::bytes_of(survey.shared_info.page());
  const uint64_t p2m_cr3 = audit::load_u64(shared, audit::kSharedP2mCr3At);
  linear_ = p2m_cr3 != 0;
  if (linear_) find_root(p2m_cr3);
  find_lists(audit::load_u64(shared, audit::kSharedFrameListListAt));
}

bool P2mOfStream::read(uint64_t pfn, Words& words) const {
  return survey_.read_page(pfn, std::as_writable_bytes(std::span(words)).first<kPageSize>());
}

std::unordered_map<uint64_t, uint64_t> P2mOfStream::pfns_of(
    const std::vector<uint64_t>& mfns) const {
  std::unordered_map<uint64_t, uint64_t> found;
  for (const uint64_t mfn : mfns) found.emplace(mfn, kInvalid);
  Words words;
  uint64_t held = kInvalid;
  for (const auto& [pfn, leaf] : uses_) {
    if (pfn != held && !read(pfn, words)) continue;
    held = pfn;
    for (uint64_t i = 0; i < words.size(); ++i) {
      const auto wanted = found.find(words[i]);
      const uint64_t here = leaf * words.size() + i;
      if (wanted != found.end() && here < survey_.nr_pfns() && survey_.populated(here))
        wanted->second = here;
    }
  }
  return found;
}

void P2mOfStream::find_root(uint64_t p2m_cr3) {
  const uint64_t mfn = p2m_cr3 >> kPageShift;
  root_pfn_ = pfns_of({mfn}).at(mfn);
  if (root_pfn_ == kInvalid)
    fail(Errc::bad_image, "the p2m of the stream does not have machine frame {:#x}, its own root",
         mfn);
}

// The tree's pages: the list of lists, and up to 512 lists. A guest with a linear p2m need not have
// them.
void P2mOfStream::find_lists(uint64_t list_of_lists) {
  const uint64_t top = list_of_lists == 0 || list_of_lists == kInvalid
                           ? kInvalid
                           : pfns_of({list_of_lists}).at(list_of_lists);
  Words lists{};
  if (top == kInvalid || !read(top, lists)) {
    if (!linear_)
      fail(Errc::bad_image, "the p2m of the stream does not have its own list of frame lists");
    return;
  }
  if (!linear_) root_pfn_ = top;
  list_pfns_.push_back(top);
  const size_t count = (survey_.leaf_pfns().size() + lists.size() - 1) / lists.size();
  const std::vector<uint64_t> wanted(
      lists.begin(), lists.begin() + static_cast<ptrdiff_t>(std::min(count, lists.size())));
  for (const auto& [mfn, pfn] : pfns_of(wanted))
    if (pfn != kInvalid) list_pfns_.push_back(pfn);
  std::sort(list_pfns_.begin(), list_pfns_.end());
  list_pfns_.erase(std::unique(list_pfns_.begin(), list_pfns_.end()), list_pfns_.end());
  // Only pages of data can be named.
  std::erase_if(list_pfns_, [&](uint64_t pfn) { return survey_.type(pfn) != v1::DATA; });
}

bool P2mOfStream::is_leaf(uint64_t pfn) const {
  const auto use = std::lower_bound(uses_.begin(), uses_.end(), std::pair{pfn, uint64_t{0}});
  return use != uses_.end() && use->first == pfn;
}

void P2mOfStream::leaf_page(uint64_t pfn, std::span<std::byte, kPageSize> out) const {
  Words words{};
  read(pfn, words);
  auto use = std::lower_bound(uses_.begin(), uses_.end(), std::pair{pfn, uint64_t{0}});
  const uint64_t leaf = use->second;
  // A page that stands for several leaves describes no memory in any of them.
  const bool shared = ++use != uses_.end() && use->first == pfn;
  for (uint64_t i = 0; i < words.size(); ++i) {
    uint64_t& word = words[i];
    const uint64_t here = leaf * words.size() + i;
    if (!shared && here < survey_.nr_pfns() && survey_.populated(here))
      word = here;
    else if (word != kInvalid && (word & kForeign) != 0)
      word = kForeign;
    else if ((word & kIdentity) == 0)
      word = kInvalid;
  }
  std::copy_n(std::as_bytes(std::span(words)).begin(), kPageSize, out.begin());
}

}  // namespace ferry::convert
