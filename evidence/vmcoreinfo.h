// VMCOREINFO: what Linux says of itself for tools that read its memory after a crash. It is a text
// in an ELF note that the kernel keeps at the beginning of a page:
//
//   | name bytes 4: 11 | text bytes 4 | type 4: 0 | "VMCOREINFO" 0 0 | OSRELEASE=6.1.0-…\n… |
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "evidence/guest_pages.h"

namespace ferry::evidence {

class VmcoreInfo {
 public:
  VmcoreInfo() = default;
  explicit VmcoreInfo(std::string text, uint64_t pfn = 0) : text_(std::move(text)), pfn_(pfn) {}

  const std::string& text() const { return text_; }
  uint64_t pfn() const { return pfn_; }  // of the page that it was found in

  // "OSRELEASE" and the like: what stands behind it, nothing if it is not there.
  std::optional<std::string_view> value(std::string_view key) const;
  // An address; SYMBOL(name).
  std::optional<uint64_t> symbol(std::string_view name) const;
  // Bytes: OFFSET(printk_info.seq), SIZE(printk_info), LENGTH(…).
  std::optional<uint64_t> offset(std::string_view member) const;
  std::optional<uint64_t> size(std::string_view type) const;

 private:
  std::optional<uint64_t> number(std::string_view what, std::string_view name, int base) const;

  std::string text_;
  uint64_t pfn_ = 0;
};

inline constexpr size_t kMostVmcoreInfo = 16u << 10;  // bytes; kernels have one page

// Of how many bytes the note's text is that this page begins with; nothing if it begins with none.
std::optional<size_t> vmcoreinfo_bytes(std::span<const std::byte> page);

// Looks at pages for the one that has it. Any process of the guest can make a page that looks like
// it, so all that do are found (evidence/kernel.h picks one), up to kMostCandidates.
inline constexpr size_t kMostCandidates = 16;
class VmcoreInfoSearch {
 public:
  // seen: called for each that is found, if it is given.
  explicit VmcoreInfoSearch(const GuestPages& pages,
                            std::function<void(const VmcoreInfo&)> seen = {})
      : pages_(pages), seen_(std::move(seen)) {}

  // In order. bytes: of the run's pages.
  void look(const AlikePages& run, std::span<const std::byte> bytes);

  // Those that say most first; of those that say as much, in order of pfn.
  const std::vector<VmcoreInfo>& found() const { return found_; }

 private:
  const GuestPages& pages_;
  std::function<void(const VmcoreInfo&)> seen_;
  std::vector<VmcoreInfo> found_;
};

// Goes through the pages, in order, until is_enough says so of one that was found. It is asked on
// one thread at a time, and of the first kMostCandidates only: looking it up in the kernel takes
// long, and a guest can be full of what looks like it.
using IsEnough = std::function<bool(const VmcoreInfo&)>;
VmcoreInfoSearch search_vmcoreinfo(const GuestPages& pages, Executor& executor,
                                   const IsEnough& is_enough);

}  // namespace ferry::evidence
