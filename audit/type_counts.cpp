// Xen's counting of what each page is used as.
#include "audit/type_counts.h"

#include <algorithm>
#include <cstring>

#include "audit/descriptors.h"
#include "audit/layout.h"
#include "proto/pages.h"

namespace ferry::audit {
namespace {

// Of tables looked at, beyond twice each: 20000 take well under a second.
constexpr uint64_t kSpareLooks = 20000;
constexpr uint64_t kMostBatches = 4000;
constexpr size_t kMostHeld = 4096;  // tables: 16 MiB

constexpr uint64_t kCacheFlags = kPteWriteThrough | kPteCacheDisable;

Use use_of(unsigned level) {
  return static_cast<Use>(level);
}

const char* name_of(Use use) {
  constexpr const char* kNames[] = {"nothing",     "an L1 table", "an L2 table",
                                    "an L3 table", "an L4 table", "a descriptor table",
                                    "writable"};
  return kNames[static_cast<size_t>(use)];
}

bool guest_slot(unsigned level, unsigned slot) {
  return level != 4 || slot < kFirstXenSlot || slot > kLastXenSlot;
}

}  // namespace

TypeCounts::TypeCounts(PageReader& reader, const PageMap& map)
    : reader_(reader), map_(map), pages_(map.size()), budget_(kSpareLooks) {
  map.for_each_run([&](uint64_t, uint64_t count, v1::PageKind kind, auto...) {
    if (is_page_table(kind)) budget_ += 2 * count;
  });
}

TypeCounts::Words TypeCounts::words(uint64_t pfn) {
  if (budget_-- == 0 || reader_.batches_read() > kMostBatches) throw Exhausted{};
  if (const auto found = held_.find(pfn); found != held_.end()) return *found->second;
  Words page{};
  if (!has_data(map_.kind(pfn))) return page;  // zeros
  if (!reader_.read(pfn, std::as_writable_bytes(std::span(page)).first<kPageSize>())) return page;
  if (held_.size() >= kMostHeld) held_.clear();
  // The batch is at hand now: keep its other tables too.
  reader_.each_in_batch([&](uint64_t other, v1::PageKind kind, std::span<const std::byte> bytes) {
    if (!is_page_table(kind) || map_.record_offset(other) != reader_.batch_offset()) return;
    auto copy = std::make_unique<Words>();
    std::memcpy(copy->data(), bytes.data(), kPageSize);
    held_[other] = std::move(copy);
  });
  return page;
}

std::optional<Fault> TypeCounts::take(uint64_t pfn, Use use) {
  if (pfn >= map_.size() || !map_.populated(pfn))
    return Fault{true, {.pfn = pfn}, fmt::format("pfn {:#x} is {}", pfn, describe(map_, pfn))};
  Page page = pages_.get(pfn);
  if (page.references == 0) {
    if (page.use != use) page.validated = false;
    page.use = use;
  } else if (page.use != use || !page.validated) {
    return Fault{true,
                 {.pfn = pfn},
                 fmt::format("pfn {:#x} is in use as {} and cannot be {}", pfn, name_of(page.use),
                             name_of(use))};
  }
  ++page.references;
  pages_.change(pfn) = page;
  if (page.validated) return std::nullopt;
  std::optional<Fault> fault = validate(pfn, use);  // which changes others, and moves them
  Page& validated = pages_.change(pfn);
  if (fault) {
    --validated.references;
    validated.use = Use::none;
  } else {
    validated.validated = true;
  }
  return fault;
}

void TypeCounts::drop(uint64_t pfn) {
  const Page page = pages_.get(pfn);
  const auto level = static_cast<unsigned>(page.use);
  if (page.references == 1 && page.validated && level >= 1 && level <= 4) {
    pages_.change(pfn).validated = false;
    drop_entries(pfn, level, kEntriesPerTable);
  }
  --pages_.change(pfn).references;
}

void TypeCounts::drop_entry(unsigned level, uint64_t entry, uint64_t table) {
  const uint64_t target = frame_of_entry(entry);
  if (level == 1) {
    if ((entry & kPteWritable) != 0) drop(target);
    return;
  }
  if (target == table) return;  // took none
  if (pages_.get(target).use == pages_.get(table).use) {
    --linear_[target];
    ++linear_[table];
  }
  drop(target);
}

void TypeCounts::drop_entries(uint64_t table, unsigned level, unsigned end) {
  const Words entries = words(table);
  for (unsigned slot = 0; slot < end; ++slot)
    if (guest_slot(level, slot) && (entries[slot] & kPtePresent) != 0)
      drop_entry(level, entries[slot], table);
}

std::optional<Fault> TypeCounts::validate(uint64_t pfn, Use use) {
  if (use == Use::writable) return std::nullopt;
  if (use != Use::descriptors) return validate_table(pfn, static_cast<unsigned>(use));
  const Words descriptors = words(pfn);
  for (unsigned i = 0; i < descriptors.size(); ++i) {
    const std::string_view fault = fault_of_descriptor(descriptors[i]);
    if (!fault.empty())
      return Fault{true,
                   {.pfn = pfn, .index = i},
                   fmt::format("descriptor {} of pfn {:#x} {}", i, pfn, fault)};
  }
  return std::nullopt;
}

std::optional<Fault> TypeCounts::validate_table(uint64_t pfn, unsigned level) {
  const Words entries = words(pfn);
  if (!is_page_table(map_.kind(pfn))) {
    // Its entries are not turned into frames of the new host: what they name there is chance. Only
    // one without present entries is sure to pass.
    const uint64_t matters = map_.kind(pfn) == v1::P2M_LEAF ? ~uint64_t{0} : kPtePresent;
    const bool empty =
        std::all_of(entries.begin(), entries.end(), [&](uint64_t e) { return (e & matters) == 0; });
    if (empty) return std::nullopt;
    return Fault{
        true, {}, fmt::format("pfn {:#x} is {}, and not empty", pfn, describe(map_, pfn)), true};
  }
  for (unsigned slot = 0; slot < kEntriesPerTable; ++slot) {
    const uint64_t entry = entries[slot];
    if (!guest_slot(level, slot) || (entry & kPtePresent) == 0) continue;
    std::optional<Fault> fault = level == 1 ? take_leaf(entry) : take_table(level, entry, pfn);
    if (!fault) continue;
    drop_entries(pfn, level, slot);
    if (!fault->entry.index) {  // otherwise it lies deeper
      fault->entry = {.pfn = pfn, .level = level, .index = slot};
      fault->why = fmt::format("L{} entry {} of pfn {:#x}: {}", level, slot, pfn, fault->why);
    }
    return fault;
  }
  return std::nullopt;
}

std::optional<Fault> TypeCounts::take_leaf(uint64_t entry) {
  if ((entry & (kCacheFlags | kPteLargeOrPat)) != 0) return Fault{true, {}, "it has cache bits"};
  const uint64_t target = frame_of_entry(entry);
  if (target >= map_.size() || !map_.populated(target))
    return Fault{false, {}, fmt::format("pfn {:#x} is {}", target, describe(map_, target))};
  if ((entry & kPteWritable) == 0) return std::nullopt;
  std::optional<Fault> fault = take(target, Use::writable);
  if (fault) fault->invalid = false;
  if (fault) fault->entry = {};
  return fault;
}

std::optional<Fault> TypeCounts::take_table(unsigned level, uint64_t entry, uint64_t table) {
  if ((entry & (kCacheFlags | kPteLargeOrPat | kPteGlobal)) != 0)
    return Fault{true, {}, "it has bits that Xen refuses"};
  const uint64_t target = frame_of_entry(entry);
  std::optional<Fault> fault = take(target, use_of(level - 1));
  if (!fault) return fault;
  if (fault->invalid && take_linear(level, entry, table)) return std::nullopt;
  const bool of_own_level =
      target < map_.size() && table_level(map_.kind(target)) == static_cast<int>(level);
  if (of_own_level && fault->invalid)
    return Fault{true,
                 {},
                 fmt::format("pfn {:#x} is a table of the same level, and this is no "
                             "way to map it",
                             target)};
  return fault;
}

// A read-only entry may name a table of its own level, if that one has no such entry itself and is
// valid already.
bool TypeCounts::take_linear(unsigned level, uint64_t entry, uint64_t table) {
  if ((entry & kPteWritable) != 0) return false;
  const uint64_t target = frame_of_entry(entry);
  if (target == table) return true;
  if (target >= map_.size() || !map_.populated(target)) return false;
  Page& page = pages_.change(target);
  if (page.use != use_of(level) || !page.validated || page.references == 0) return false;
  int64_t& mapped = linear_[target];
  int64_t& maps = linear_[table];
  if (maps > 0 || mapped < 0) return false;
  --maps;
  ++mapped;
  ++page.references;
  return true;
}

}  // namespace ferry::audit
