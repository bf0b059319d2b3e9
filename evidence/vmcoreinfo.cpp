// VMCOREINFO, found in a guest's memory.
#include "evidence/vmcoreinfo.h"

#include <algorithm>
#include <atomic>
#include <charconv>

#include <fmt/format.h>

#include "audit/layout.h"

namespace ferry::evidence {
namespace {

constexpr size_t kTextAt = 24;
constexpr std::string_view kName("VMCOREINFO\0\0", 12);
constexpr std::string_view kBegin = "OSRELEASE=";
constexpr size_t kFewestLines = 8;

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

size_t lines_of(std::string_view text) {
  return static_cast<size_t>(std::ranges::count(text, '\n'));
}

}  // namespace

std::optional<std::string_view> VmcoreInfo::value(std::string_view key) const {
  const std::string_view text = text_;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = text.substr(at, end - at);
    if (line.size() > key.size() && line.starts_with(key) && line[key.size()] == '=')
      return line.substr(key.size() + 1);
    at = end + 1;
  }
  return std::nullopt;
}

std::optional<uint64_t> VmcoreInfo::number(std::string_view what, std::string_view name,
                                           int base) const {
  const auto digits = value(fmt::format("{}({})", what, name));
  if (!digits) return std::nullopt;
  uint64_t number = 0;
  const char* const end = digits->data() + digits->size();
  const auto [stopped, error] = std::from_chars(digits->data(), end, number, base);
  if (error != std::errc() || stopped != end) return std::nullopt;
  return number;
}

std::optional<uint64_t> VmcoreInfo::symbol(std::string_view name) const {
  return number("SYMBOL", name, 16);
}
std::optional<uint64_t> VmcoreInfo::offset(std::string_view member) const {
  return number("OFFSET", member, 10);
}
std::optional<uint64_t> VmcoreInfo::size(std::string_view type) const {
  return number("SIZE", type, 10);
}

std::optional<size_t> vmcoreinfo_bytes(std::span<const std::byte> page) {
  if (audit::load_u32(page, 0) != 11 || audit::load_u32(page, 8) != 0) return std::nullopt;
  if (as_text(page.subspan(12, kName.size())) != kName) return std::nullopt;
  if (as_text(page.subspan(kTextAt, kBegin.size())) != kBegin) return std::nullopt;
  const size_t bytes = audit::load_u32(page, 4);
  if (bytes < kBegin.size() || bytes > kMostVmcoreInfo) return std::nullopt;
  return bytes;
}

void VmcoreInfoSearch::look(const AlikePages& run, std::span<const std::byte> bytes) {
  for (uint64_t pfn = run.first; !bytes.empty(); ++pfn, bytes = bytes.subspan(kPageSize)) {
    const auto page = bytes.first<kPageSize>();
    const std::optional<size_t> size = vmcoreinfo_bytes(page);
    if (!size) continue;
    std::string text(as_text(page.subspan(kTextAt, std::min(*size, kPageSize - kTextAt))));
    std::array<std::byte, kPageSize> more;
    for (uint64_t next = pfn + 1; text.size() < *size && pages_.read(next, more); ++next)
      text += as_text(more).substr(0, *size - text.size());
    if (text.size() != *size || lines_of(text) < kFewestLines) continue;
    const auto place =
        std::ranges::upper_bound(found_, lines_of(text), std::greater(),
                                 [](const auto& one) { return lines_of(one.text()); });
    const auto info = found_.insert(place, VmcoreInfo(std::move(text), pfn));
    if (seen_) seen_(*info);
    if (found_.size() > kMostCandidates) found_.pop_back();
  }
}

namespace {

// Most pages are told apart by their first bytes, on any thread.
class SearchVisit final : public ChunkVisit {
 public:
  explicit SearchVisit(VmcoreInfoSearch& search) : search_(search) {}

  void work(Chunk& chunk) override {
    chunk.for_each_run([&](const AlikePages& run, std::span<const std::byte> bytes) {
      if (run.kind != v1::DATA) return;
      for (uint64_t i = 0; i < run.count; ++i)
        if (vmcoreinfo_bytes(bytes.subspan(i * kPageSize, kPageSize)))
          hits_.push_back(run.first + i);
    });
  }
  void consume(Chunk& chunk) override {
    if (hits_.empty()) return;
    chunk.for_each_run([&](const AlikePages& run, std::span<const std::byte> bytes) {
      if (run.kind == v1::DATA) search_.look(run, bytes);
    });
  }

 private:
  VmcoreInfoSearch& search_;
  std::vector<uint64_t> hits_;
};

}  // namespace

VmcoreInfoSearch search_vmcoreinfo(const GuestPages& pages, Executor& executor,
                                   const IsEnough& is_enough) {
  std::atomic<bool> done = false;  // read where chunks are made, too
  size_t asked = 0;
  VmcoreInfoSearch search(pages, [&](const VmcoreInfo& info) {
    if (!done && asked++ < kMostCandidates) done = is_enough(info);
  });
  sweep(pages, executor, [&]() -> std::unique_ptr<ChunkVisit> {
    if (done) return nullptr;
    return std::make_unique<SearchVisit>(search);
  });
  return search;
}

}  // namespace ferry::evidence
