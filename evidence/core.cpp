// An ELF core of a saved guest.
#include "evidence/core.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "error/error.h"
#include "evidence/core_layout.h"
#include "evidence/kernel.h"

namespace ferry::evidence {
namespace {

// Where Linux has its direct map without randomization, which PV guests are without: since 4.20
// (x86_64/mm.rst), and before.
constexpr uint64_t kDirectMaps[] = {0xffff'8880'0000'0000, 0xffff'8800'0000'0000};
// Modules begin here at the latest: the kernel's image ends before.
constexpr uint64_t kKernelImageEnd = 0xffff'ffff'c000'0000;

// What is only known once the pages have been looked at.
struct Known {
  std::optional<VmcoreInfo> info = {};
  std::optional<CoreLayout::KernelImage> kernel = {};
  std::optional<uint64_t> hidden_address = {}, hidden_pfn = {};
};

// The address at which pfn 0 is or would be, if the page tables agree.
std::optional<uint64_t> direct_map_of(const GuestPages& pages, KernelMemory& memory) {
  constexpr unsigned kTries = 16;
  for (const uint64_t base : kDirectMaps) {
    RunReader runs(pages.map());
    for (unsigned tries = 0; tries < kTries;) {
      const AlikePages* run = runs.peek();
      if (run == nullptr) break;
      if (run->kind == v1::DATA) {
        if (memory.pfn_of(base + (run->first << kPageShift)) == run->first) return base;
        ++tries;
      }
      runs.skip(run->count);
    }
  }
  return std::nullopt;
}

Known know(const GuestPages& pages, KernelMemory& memory, std::optional<VmcoreInfo> info,
           const CoreOptions& options) {
  Known known{.info = std::move(info)};
  if (!known.info) return known;
  auto symbols = find_symbols(memory, *known.info, {"_end", "xen_start_info"});
  if (const auto start = known.info->symbol("_stext")) {
    const uint64_t first = *start & ~uint64_t{kPageSize - 1};
    const uint64_t end =
        symbols.contains("_end") ? symbols["_end"] + kPageSize - 1 : kKernelImageEnd;
    const auto pfn = memory.pfn_of(first);
    if (pfn && first < end) known.kernel = {first, *pfn, (end - first) >> kPageShift};
  }
  if (options.as_is || !symbols.contains("xen_start_info")) return known;
  const uint64_t address = symbols["xen_start_info"];
  const auto pfn = memory.pfn_of(address);
  if (!pfn || !pages.map().populated(*pfn) || address % sizeof(uint64_t) != 0) return known;
  known.hidden_address = address;
  known.hidden_pfn = pfn;
  return known;
}

// Puts the pages of a chunk, and looks at them for VMCOREINFO if nobody has before.
class PutVisit final : public ChunkVisit {
 public:
  struct Shared {
    const CoreLayout& layout;
    CoreFile& file;
    VmcoreInfoSearch* search = nullptr;
    const Known* known = nullptr;
  };
  explicit PutVisit(const Shared& shared) : shared_(shared) {}

  void consume(Chunk& chunk) override {
    chunk.for_each_run([&](const AlikePages& run, std::span<const std::byte> bytes) {
      if (bytes.empty()) return;
      if (shared_.search != nullptr && run.kind == v1::DATA) shared_.search->look(run, bytes);
      put(shared_.layout.offset_of(run.first), run, bytes);
    });
  }

 private:
  // With zeros in place of what is hidden.
  void put(uint64_t at, const AlikePages& run, std::span<const std::byte> bytes) const {
    constexpr std::array<std::byte, sizeof(uint64_t)> kZero{};
    const auto pfn = shared_.known == nullptr ? std::nullopt : shared_.known->hidden_pfn;
    if (pfn && *pfn >= run.first && *pfn - run.first < run.count) {
      const size_t before =
          (*pfn - run.first) * kPageSize + *shared_.known->hidden_address % kPageSize;
      shared_.file.put(at, bytes.first(before));
      shared_.file.put(at + before, kZero);
      at += before + kZero.size();
      bytes = bytes.subspan(before + kZero.size());
    }
    shared_.file.put(at, bytes);
  }

  const Shared& shared_;
};

// A core that is being written.
struct Writing {
  Writing(const ImageFile& image, const CoreOptions& with)
      : options(with),
        pages(image),
        vcpus(read_vcpus(image)),
        memory(pages, kernel_root(vcpus)),
        layout(populated_ranges(pages.map())),
        direct_map(direct_map_of(pages, memory)) {}

  void put_pages(const PutVisit::Shared& shared, Executor& executor) {
    sweep(pages, executor, [&] { return std::make_unique<PutVisit>(shared); });
  }
  Bytes notes(const Known& known) const {
    return core_notes(vcpus, known.info ? known.info->text() : std::string());
  }
  Bytes headers(const Known& known, const Bytes& notes_after) const {
    return layout.headers(direct_map, known.kernel, notes_after.size());
  }
  Core done(const Known& known, const Bytes& notes_after) const {
    Core core{.ranges = layout.ranges().size(),
              .vcpus = vcpus.size(),
              .bytes = layout.notes_at() + notes_after.size(),
              .direct_map = direct_map.has_value(),
              .hidden_address = known.hidden_address};
    pages.map().for_each_run([&](uint64_t, uint64_t count, v1::PageKind kind, auto...) {
      if (kind != v1::ABSENT && kind != audit::kUnmentioned) core.pages += count;
    });
    if (!known.info) return core;
    core.vmcoreinfo_pfn = known.info->pfn();
    core.release = known.info->value("OSRELEASE").value_or("");
    return core;
  }

  CoreOptions options;
  GuestPages pages;
  std::vector<VcpuState> vcpus;
  KernelMemory memory;
  CoreLayout layout;
  std::optional<uint64_t> direct_map;
};

// Where nothing was written a file has zeros. Few images have such pages, every running guest does.
bool begins_with_empty_page(std::span<const std::byte> bytes) {
  constexpr size_t kFirst = 16;
  return bytes.size() >= kPageSize &&
         std::ranges::all_of(bytes.first(kFirst), [](std::byte b) { return b == std::byte{0}; }) &&
         std::memcmp(bytes.data(), bytes.data() + kFirst, kPageSize - kFirst) == 0;
}

}  // namespace

void SparseFile::put(uint64_t at, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    size_t ahead = 0;  // that is to be written
    while (ahead < bytes.size() && !begins_with_empty_page(bytes.subspan(ahead)))
      ahead += std::min(kPageSize, bytes.size() - ahead);
    write_at(at, bytes.first(ahead));
    const size_t done = std::min(bytes.size(), ahead + kPageSize);  // an empty page behind it
    at += done;
    bytes = bytes.subspan(done);
  }
}

void SparseFile::write_at(uint64_t at, std::span<const std::byte> bytes) {
  if (bytes.empty()) return;
  if (at != position_ && ::lseek(fd_, static_cast<off_t>(at), SEEK_SET) < 0)
    fail_errno(Errc::io, errno, fmt::format("cannot write {}", name_));
  sink_.write(bytes);
  position_ = at + bytes.size();
}

void StreamedFile::put(uint64_t at, std::span<const std::byte> bytes) {
  static constexpr std::array<std::byte, 64u << 10> kZeros{};
  if (at < position_) fail(Errc::internal, "a core was not written in order");
  while (position_ < at) {
    const auto zeros = std::span(kZeros).first(std::min<uint64_t>(kZeros.size(), at - position_));
    sink_.write(zeros);
    position_ += zeros.size();
  }
  sink_.write(bytes);
  position_ += bytes.size();
}

Core write_core(const ImageFile& image, const CoreOptions& options, SparseFile& file,
                Executor& executor) {
  Writing core(image, options);
  VmcoreInfoSearch search(core.pages);
  core.put_pages({.layout = core.layout, .file = file, .search = &search}, executor);
  const Known known = know(core.pages, core.memory, kernels_own(core.memory, search), options);
  if (known.hidden_pfn) {
    constexpr std::array<std::byte, sizeof(uint64_t)> kZero{};
    file.put(core.layout.offset_of(*known.hidden_pfn) + *known.hidden_address % kPageSize, kZero);
  }
  const Bytes notes = core.notes(known);
  file.put(core.layout.notes_at(), notes);
  file.put(0, core.headers(known, notes));
  return core.done(known, notes);
}

Core write_core(const ImageFile& image, const CoreOptions& options, StreamedFile& file,
                Executor& executor) {
  Writing core(image, options);
  const Known known =
      know(core.pages, core.memory, find_kernels_own(core.pages, core.memory, executor), options);
  const Bytes notes = core.notes(known);
  file.put(0, core.headers(known, notes));
  core.put_pages({.layout = core.layout, .file = file, .known = &known}, executor);
  file.put(core.layout.notes_at(), notes);
  return core.done(known, notes);
}

}  // namespace ferry::evidence
