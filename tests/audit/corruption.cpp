// Random damage to a guest that an image holds.
#include "tests/audit/corruption.h"

#include <fmt/format.h>

#include <algorithm>

namespace ferry::test {
namespace {

uint64_t below(Random& random, uint64_t bound) {
  return random() % bound;
}
bool chance(Random& random, unsigned percent) {
  return below(random, 100) < percent;
}

template <typename Holds>
std::vector<uint64_t> pages_where(const TestGuest& guest, Holds holds) {
  std::vector<uint64_t> pfns;
  for (const auto& [pfn, page] : guest.pages)
    if (holds(page.kind)) pfns.push_back(pfn);
  return pfns;
}

uint64_t pick(const std::vector<uint64_t>& from, Random& random) {
  return from[below(random, from.size())];
}

void flip_bit(std::string& bytes, Random& random) {
  if (bytes.empty()) return;
  bytes[below(random, bytes.size())] ^= static_cast<char>(1 << below(random, 8));
}

// A frame that an entry could name: any page, a table, one that is absent, one beyond the guest.
uint64_t any_target(const TestGuest& guest, Random& random) {
  const uint64_t pfns = guest.head.nr_pfns();
  if (chance(random, 40)) return pick(pages_where(guest, is_page_table), random);
  return chance(random, 85) ? below(random, pfns) : pfns + below(random, 1u << 20);
}

uint64_t changed_entry(const TestGuest& guest, uint64_t entry, Random& random) {
  constexpr uint64_t kFrame = 0x000ffffffffff000;
  switch (below(random, 6)) {
    case 0:
      return entry ^ uint64_t { 1 } << below(random, 12);  // a flag
    case 1:
      return entry ^ uint64_t { 1 } << below(random, 64);
    case 2:
      return (entry & ~kFrame) | any_target(guest, random) << 12;
    case 3:
      return any_target(guest, random) << 12 | (random() & 0x67) | 1;
    case 4:
      return any_target(guest, random) << 12 | 0x65;  // read-only: perhaps a linear table
    default:
      return any_target(guest, random) << 12 | (random() & 0xfff) | 1;
  }
}

std::string change_table(TestGuest& guest, Random& random) {
  const uint64_t pfn = pick(pages_where(guest, is_page_table), random);
  TestPage& page = guest.page(pfn);
  unsigned index = static_cast<unsigned>(below(random, 512));
  // Most slots are empty: go on to one that is not, most of the time.
  for (unsigned i = 0; i < 512 && page.words[index] == 0 && chance(random, 99); ++i)
    index = (index + 1) % 512;
  page.words[index] = changed_entry(guest, page.words[index], random);
  return fmt::format("{} entry {} of pfn {:#x} became {:#x}", kind_name(page.kind), index, pfn,
                     page.words[index]);
}

std::string change_kind(TestGuest& guest, Random& random) {
  constexpr v1::PageKind kKinds[] = {v1::DATA,      v1::L1,        v1::L2,        v1::L3,
                                     v1::L4,        v1::L1_PINNED, v1::L2_PINNED, v1::L3_PINNED,
                                     v1::L4_PINNED, v1::ZERO,      v1::P2M_LEAF};
  const auto tables = pages_where(guest, is_page_table);
  const auto all = pages_where(guest, [](v1::PageKind) { return true; });
  const uint64_t pfn = pick(chance(random, 70) ? tables : all, random);
  guest.page(pfn).kind = kKinds[below(random, std::size(kKinds))];
  return fmt::format("pfn {:#x} became {}", pfn, kind_name(guest.page(pfn).kind));
}

std::string toggle_pin(TestGuest& guest, Random& random) {
  const uint64_t pfn = pick(pages_where(guest, is_page_table), random);
  TestPage& page = guest.page(pfn);
  page.kind = static_cast<v1::PageKind>(static_cast<unsigned>(page.kind) ^ 8);
  return fmt::format("pfn {:#x} became {}", pfn, kind_name(page.kind));
}

std::string remove_page(TestGuest& guest, Random& random) {
  const uint64_t pfn = pick(pages_where(guest, [](v1::PageKind) { return true; }), random);
  guest.pages.erase(pfn);
  if (chance(random, 50)) guest.unmentioned.push_back(pfn);
  // Half of the time everything that counts pages agrees.
  if (chance(random, 50)) {
    guest.populated.reset();
    guest.head.set_populated_pages(guest.pages.size());
    for (auto& [leaf, page] : guest.pages)
      if (page.kind == v1::P2M_LEAF)
        for (uint64_t& word : page.words)
          if (word == pfn) word = ~uint64_t{0};
  }
  return fmt::format("pfn {:#x} was removed", pfn);
}

// Swaps two pages whole: kinds and contents.
std::string swap_pages(TestGuest& guest, Random& random) {
  const auto all = pages_where(guest, [](v1::PageKind) { return true; });
  const uint64_t a = pick(pages_where(guest, is_page_table), random), b = pick(all, random);
  std::swap(guest.page(a), guest.page(b));
  return fmt::format("pfns {:#x} and {:#x} were swapped", a, b);
}

std::string change_descriptor(TestGuest& guest, Random& random) {
  constexpr size_t kGdtFrames = 4832;
  const uint64_t pfn = guest.vcpu[below(random, guest.vcpu.size())].get(kGdtFrames);
  if (!guest.pages.contains(pfn)) return "nothing";
  uint64_t& word = guest.page(pfn).words[below(random, 512)];
  word = chance(random, 50) ? random() : random() & 0x0000ffff'ffffffff;
  return fmt::format("a descriptor of pfn {:#x} became {:#x}", pfn, word);
}

std::string change_vcpu(TestGuest& guest, Random& random) {
  constexpr size_t kSpots[] = {512,  616,  648,  672,  4816, 4824, 4832, 4840, 4960, 4976,
                               4992, 5008, 5112, 5120, 5128, 5136, 5144, 5152, 5160};
  const size_t n = below(random, guest.vcpu.size());
  TestVcpu& vcpu = guest.vcpu[n];
  const size_t at =
      chance(random, 80) ? kSpots[below(random, std::size(kSpots))] : below(random, 5168 / 8) * 8;
  uint64_t value = vcpu.get(at);
  switch (below(random, 4)) {
    case 0:
      value = random();
      break;
    case 1:
      value = any_target(guest, random);
      break;
    case 2:
      value = any_target(guest, random) << 12 | below(random, 2);
      break;
    default:
      value ^= uint64_t{1} << below(random, 64);
  }
  vcpu.set(at, value);
  return fmt::format("byte {} of vCPU record {} became {:#x}", at, n, value);
}

std::string change_vcpu_extra(TestGuest& guest, Random& random) {
  v1::Vcpu& vcpu = guest.vcpu[below(random, guest.vcpu.size())].record;
  std::string* const parts[] = {vcpu.mutable_extended(), vcpu.mutable_xsave(), vcpu.mutable_msrs()};
  const size_t n = below(random, 3);
  std::string& part = *parts[n];
  if (n == 2 && part.empty()) part.assign(16, '\0');
  if (chance(random, 15)) {
    part.resize(below(random, part.size() + 40));
  } else if (n == 1 && chance(random, 60)) {
    std::string masks = part.substr(0, 16);  // most of the area is the guest's own
    flip_bit(masks, random);
    part.replace(0, 16, masks);
  } else {
    flip_bit(part, random);
  }
  return fmt::format("part {} of vCPU {} was changed", n, vcpu.id());
}

std::string change_identity(TestGuest& guest, Random& random) {
  v1::Vcpu& vcpu = guest.vcpu[below(random, guest.vcpu.size())].record;
  vcpu.set_id(static_cast<uint32_t>(below(random, 6)));
  return fmt::format("a vCPU became number {}", vcpu.id());
}

std::string change_p2m(TestGuest& guest, Random& random) {
  const auto leaves = pages_where(guest, [](v1::PageKind kind) { return kind == v1::P2M_LEAF; });
  if (leaves.empty()) return "nothing";
  if (chance(random, 20) && !guest.leaves.empty()) {
    guest.leaves[below(random, guest.leaves.size())] = any_target(guest, random);
    return "a p2m leaf is another page";
  }
  uint64_t& word = guest.page(pick(leaves, random)).words[below(random, 512)];
  word = chance(random, 70) ? any_target(guest, random) : random();
  return fmt::format("a p2m entry became {:#x}", word);
}

std::string change_guest_page(TestGuest& guest, Random& random) {
  constexpr size_t kRdx = 616, kSpots[] = {5, 7, 9};
  const uint64_t start_info = guest.vcpu[0].get(kRdx);
  if (chance(random, 50) || !guest.pages.contains(start_info)) {
    flip_bit(*guest.shared_info.mutable_page(), random);
    return "shared_info was changed";
  }
  guest.page(start_info).words[kSpots[below(random, 3)]] = any_target(guest, random);
  return "start_info was changed";
}

std::string change_policy(TestGuest& guest, Random& random) {
  if (chance(random, 20)) {
    guest.tsc.set_mode(static_cast<uint32_t>(below(random, 8)));
    return fmt::format("the TSC's mode became {}", guest.tsc.mode());
  }
  flip_bit(chance(random, 70) ? *guest.cpu_policy.mutable_cpuid_leaves()
                              : *guest.cpu_policy.mutable_msrs(),
           random);
  return "the CPU policy was changed";
}

std::string change_head(TestGuest& guest, Random& random) {
  v1::Head& head = guest.head;
  switch (below(random, 6)) {
    case 0:
      head.set_populated_pages(below(random, 2 * head.populated_pages()));
      return "the head counts other pages";
    case 1:
      head.set_p2m_root_pfn(any_target(guest, random));
      return "the p2m has another root";
    case 2:
      head.set_start_info_pfn(any_target(guest, random));
      return "the head names another start_info";
    case 3:
      head.set_max_vcpu_id(static_cast<uint32_t>(below(random, 4)));
      return "the head has other vCPUs";
    case 4:
      if (guest.populated && !guest.populated->empty()) {
        uint64_t& run = (*guest.populated)[below(random, guest.populated->size())];
        run = below(random, head.nr_pfns());
      }
      return "the list of populated pfns was changed";
    default:
      head.set_p2m_vaddr(head.p2m_vaddr() ^ uint64_t{1} << below(random, 64));
      return "the p2m is elsewhere";
  }
}

std::string drop_record(TestGuest& guest, Random& random) {
  constexpr v1::Record::BodyCase kKinds[] = {v1::Record::kCpuPolicy,  v1::Record::kPopulated,
                                             v1::Record::kP2MFrames,  v1::Record::kTsc,
                                             v1::Record::kSharedInfo, v1::Record::kVcpu};
  const v1::Record::BodyCase kind = kKinds[below(random, std::size(kKinds))];
  if (chance(random, 50)) {
    guest.filter = [kind](v1::Record& record) { return record.body_case() != kind; };
    return fmt::format("records of kind {} were dropped", static_cast<int>(kind));
  }
  v1::Record& again = guest.extra.emplace_back();
  if (kind == v1::Record::kTsc)
    *again.mutable_tsc() = guest.tsc;
  else if (kind == v1::Record::kCpuPolicy)
    *again.mutable_cpu_policy() = guest.cpu_policy;
  else if (kind == v1::Record::kSharedInfo)
    *again.mutable_shared_info() = guest.shared_info;
  else
    *again.mutable_vcpu() = guest.vcpu[0].record;
  return fmt::format("a record of kind {} was repeated", static_cast<int>(again.body_case()));
}

// An earlier version of a table, as in an image of a live save.
std::string add_earlier(TestGuest& guest, Random& random) {
  const uint64_t pfn = pick(pages_where(guest, is_page_table), random);
  TestPage page = guest.page(pfn);
  uint64_t& word = page.words[below(random, 512)];
  word = changed_entry(guest, word, random);
  guest.earlier[pfn] = page;
  return fmt::format("an earlier version of pfn {:#x} has {:#x}", pfn, word);
}

}  // namespace

std::string corrupt(TestGuest& guest, Random& random) {
  using Change = std::string (*)(TestGuest&, Random&);
  struct Weighted {
    unsigned weight;
    Change change;
  };
  constexpr Weighted kChanges[] = {
      {40, change_table},   {8, change_kind},       {4, toggle_pin},        {6, remove_page},
      {4, swap_pages},      {6, change_descriptor}, {12, change_vcpu},      {10, change_vcpu_extra},
      {1, change_identity}, {5, change_p2m},        {3, change_guest_page}, {5, change_policy},
      {4, change_head},     {2, drop_record},       {4, add_earlier}};
  unsigned total = 0;
  for (const Weighted& of : kChanges) total += of.weight;
  unsigned at = static_cast<unsigned>(below(random, total));
  for (const Weighted& of : kChanges) {
    if (at < of.weight) return of.change(guest, random);
    at -= of.weight;
  }
  return {};
}

}  // namespace ferry::test
