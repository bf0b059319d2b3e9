// The simulated guests of the race.
#include "bench/race/guests.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <set>

namespace ferry::bench {
namespace {

constexpr size_t kCorpus = 128 << 20;

// The first programs in /usr/bin, as compressible as a guest's pages.
const std::vector<char>& corpus() {
  static const std::vector<char> bytes = [] {
    std::set<std::filesystem::path> paths;
    for (const auto& entry : std::filesystem::directory_iterator("/usr/bin"))
      if (entry.is_regular_file() && !entry.is_symlink()) paths.insert(entry.path());
    std::vector<char> all;
    for (const auto& path : paths) {
      if (all.size() >= kCorpus) break;
      const size_t size = std::filesystem::file_size(path) / kPageSize * kPageSize;
      const size_t at = all.size();
      all.resize(at + size);
      std::ifstream(path, std::ios::binary)
          .read(all.data() + at, static_cast<std::streamsize>(size));
    }
    return all;
  }();
  return bytes;
}

bool is_zero(const std::byte* page) {
  static const std::byte zeros[kPageSize] = {};
  return std::memcmp(page, zeros, kPageSize) == 0;
}

sim::GuestSpec spec_of(Guest guest, uint64_t pages) {
  sim::GuestSpec spec;
  spec.pages = pages;
  spec.vcpus = 2;
  spec.processes = 32;
  spec.ballooned_percent = guest == Guest::ballooned ? 50 : 0;
  spec.zero_percent = guest == Guest::two_thirds_zero  ? 66
                      : guest == Guest::incompressible ? 0
                                                       : 30;
  if (guest == Guest::page_tables) spec.processes = static_cast<unsigned>(pages / 90);
  return spec;
}

// What the builder left as data gets contents; its zero pages stay.
void fill(BuiltGuest& built, bool noise) {
  std::mt19937_64 random(1);
  size_t next = 0;
  for (uint64_t pfn = 0; pfn < built.guest.spec.pages; ++pfn) {
    if (built.guest.roles[pfn] != sim::Role::data) continue;
    uint8_t* const page = built.host->page(mfn_t(built.guest.p2m[pfn]));
    if (is_zero(reinterpret_cast<const std::byte*>(page))) continue;
    if (!noise) {
      std::memcpy(page, corpus().data() + next, kPageSize);
      next = (next + kPageSize) % corpus().size();
      continue;
    }
    for (size_t at = 0; at < kPageSize; at += sizeof(uint64_t)) {
      const uint64_t word = random();
      std::memcpy(page + at, &word, sizeof word);
    }
  }
}

// The kernel gives and clears the machine's memory when it is first touched, which is nobody's
// time.
void touch_all(sim::Host& host, uint64_t frames) {
  for (uint64_t n = 0; n < frames; ++n) {
    const volatile uint8_t* const page = host.page(mfn_t(n));
    (void)*page;
  }
}

}  // namespace

const char* name_of(Guest guest) {
  switch (guest) {
    case Guest::two_thirds_zero:
      return "two thirds zero";
    case Guest::incompressible:
      return "incompressible";
    case Guest::page_tables:
      return "many page tables";
    case Guest::ballooned:
      return "ballooned";
  }
  return "";
}

BuiltGuest build(Guest guest, uint64_t mib) {
  const uint64_t pages = mib << 8;
  BuiltGuest built;
  const uint64_t frames = 2 * pages + 16384;
  built.host = sim::Host::create({.frames = frames,
                                  .fresh_pages = sim::FreshPages::stale,
                                  .frame_order = sim::FrameOrder::contiguous});
  touch_all(*built.host, frames);
  built.guest = sim::build_guest(*built.host, spec_of(guest, pages));
  fill(built, guest == Guest::incompressible);
  for (uint64_t pfn = 0; pfn < pages; ++pfn) {
    const sim::Role role = built.guest.roles[pfn];
    if (role == sim::Role::absent) continue;
    built.frames.push_back(mfn_t(built.guest.p2m[pfn]));
    built.pages.push_back(
        reinterpret_cast<const std::byte*>(built.host->page(built.frames.back())));
    if (!is_zero(built.pages.back())) built.nonzero.push_back(built.pages.back());
    built.tables += role == sim::Role::table || role == sim::Role::p2m_leaf;
  }
  return built;
}

}  // namespace ferry::bench
