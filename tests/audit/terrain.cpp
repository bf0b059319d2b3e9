// Where in a guest there is something to change.
#include "tests/audit/terrain.h"

#include <algorithm>
#include <stdexcept>

namespace ferry::test {
namespace {

constexpr size_t kGdtFrames = 4832, kCr1 = 4992, kCr3 = 5008;

uint64_t target_of(uint64_t entry) {
  return (entry & 0x000f'ffff'ffff'f000) >> 12;
}

bool is_plain(v1::PageKind kind) {
  return kind == v1::DATA || kind == v1::ZERO;
}

// Fills way from this level down. Tables are walked slot by slot: the first way that there is.
bool go_down(const RealImage& image, Way& way, unsigned level, unsigned first, unsigned last) {
  const TestPage table = image.page(way.table[level]);
  if (table_level(table.kind) != static_cast<int>(level)) return false;
  for (unsigned i = first; i <= last; ++i) {
    const uint64_t entry = table.words[i];
    if ((entry & kPresent) == 0 || target_of(entry) >= image.nr_pfns()) continue;
    way.slot[level] = i;
    way.table[level - 1] = target_of(entry);
    if (level > 1 ? go_down(image, way, level - 1, 0, 511)
                  : (entry & kWritable) != 0 && is_plain(image.kind(way.table[0])))
      return true;
  }
  return false;
}

std::optional<Way> way_from(const RealImage& image, uint64_t l4, unsigned first, unsigned last) {
  Way way;
  way.table[4] = l4;
  if (!go_down(image, way, 4, first, last)) return std::nullopt;
  return way;
}

bool loaded_somewhere(const RealImage& image, uint64_t pfn) {
  return std::ranges::any_of(image.vcpus(), [&](const TestVcpu& vcpu) {
    return vcpu.get(kCr3) >> 12 == pfn || (vcpu.get(kCr1) != 0 && vcpu.get(kCr1) >> 12 == pfn);
  });
}

std::optional<Way> unloaded_way(const RealImage& image) {
  for (uint64_t pfn = 0; pfn < image.nr_pfns(); ++pfn) {
    if (image.kind(pfn) != v1::L4_PINNED || loaded_somewhere(image, pfn)) continue;
    if (auto way = way_from(image, pfn, kFirstUserSlot, kLastUserSlot)) return way;
  }
  return std::nullopt;
}

// The nth page of this kind from the end, where there is little of the kernel's own.
uint64_t page_of(const RealImage& image, v1::PageKind kind, unsigned nth) {
  for (uint64_t pfn = image.nr_pfns(); pfn-- > 0;)
    if (image.kind(pfn) == kind && nth-- == 0) return pfn;
  throw std::runtime_error("the guest has too few pages of a kind");
}

}  // namespace

unsigned Terrain::free_slot(const RealImage& image, uint64_t table, unsigned from) {
  const TestPage page = image.page(table);
  for (unsigned i = from; i < 512; ++i)
    if (page.words[i] == 0 && (table_level(page.kind) != 4 || i < 256 || i > 271)) return i;
  throw std::runtime_error("the table is full");
}

Terrain survey(const RealImage& image) {
  const TestVcpu& vcpu = image.vcpus().at(0);
  const auto loaded = way_from(image, vcpu.get(kCr3) >> 12, kFirstKernelSlot, kLastKernelSlot);
  const auto unloaded = unloaded_way(image);
  if (!loaded || !unloaded) throw std::runtime_error("the guest has no tables to change");
  return {.loaded = *loaded,
          .unloaded = *unloaded,
          .data = page_of(image, v1::DATA, 4),
          .other_data = page_of(image, v1::DATA, 5),
          .zero = page_of(image, v1::ZERO, 20),
          .gdt = vcpu.get(kGdtFrames)};
}

}  // namespace ferry::test
