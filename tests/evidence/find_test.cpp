// What is found in a guest's memory is what a search page by page finds.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "error/error.h"
#include "evidence/find.h"
#include "pipeline/inline_executor.h"
#include "pipeline/seeded_executor.h"
#include "tests/audit/audit_image.h"
#include "tests/evidence/fake_linux.h"
#include "tests/evidence/random_guest.h"

namespace ferry::test {
namespace {

using evidence::Pattern;
using Place = std::tuple<uint64_t, size_t, size_t>;  // pfn, byte, length

std::vector<Place> find_all(const ImageFile& image, const Pattern& pattern, Executor& executor) {
  const evidence::GuestPages pages(image, 2);
  std::vector<Place> places;
  evidence::find(pages, pattern, {.context = 4}, executor, [&](const evidence::Hit& hit) {
    places.emplace_back(hit.pfn, hit.at, hit.bytes);
    EXPECT_EQ(hit.before, std::min<size_t>(hit.at, 4));
    EXPECT_EQ(pattern.find(hit.around, hit.before)->at, hit.before);
    return true;
  });
  return places;
}

// One page at a time, read through the index, with the one behind it.
std::vector<Place> search_slowly(
    const ImageFile& image,
    const std::function<std::vector<std::pair<size_t, size_t>>(const std::string&)>& matches,
    bool overlaps) {
  const audit::PageMap map = audit::PageMap::load(image);
  const auto page = [&](uint64_t pfn) -> std::string {
    std::array<std::byte, 4096> bytes{};
    if (pfn >= map.size() || !map.populated(pfn)) return {};
    image.read_page(pfn_t(pfn), bytes);
    return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  };
  std::vector<Place> places;
  uint64_t end = 0;
  for (uint64_t pfn = 0; pfn < map.size(); ++pfn) {
    const std::string text = page(pfn) + (page(pfn).empty() ? "" : page(pfn + 1));
    const bool zero = !page(pfn).empty() && map.kind(pfn) == v1::ZERO;
    if (zero && pfn + 1 < map.size() && map.kind(pfn + 1) == v1::ZERO) continue;
    for (const auto& [at, bytes] : matches(text)) {
      if (at >= 4096 || (zero && at + bytes <= 4096)) continue;
      if (!overlaps && (pfn << 12) + at < end) continue;
      places.emplace_back(pfn, at, bytes);
      end = (pfn << 12) + at + bytes;
    }
  }
  return places;
}

std::vector<std::pair<size_t, size_t>> all_of(const std::string& text, const std::string& wanted) {
  std::vector<std::pair<size_t, size_t>> all;
  for (size_t at = text.find(wanted); at != text.npos; at = text.find(wanted, at + 1))
    all.emplace_back(at, wanted.size());
  return all;
}

// Pages of few letters, with nothing for long: what is looked for is often on a border.
void fill(Random& random, PageBytes& words) {
  auto* bytes = reinterpret_cast<char*>(words.data());
  std::memset(bytes, "ab\0x"[random() % 4], 4096);
  for (unsigned i = 0; i < 20; ++i) {
    const size_t at = std::min<size_t>(random() % 2 == 0 ? random() % 8 : random() % 4096, 4088);
    for (size_t j = 0; j < 8; ++j)
      bytes[random() % 3 == 0 ? 4088 + j : at + j] = "ab\0x"[random() % 4];
  }
}

TEST(Find, finds_bytes_wherever_they_are) {
  size_t found = 0, on_borders = 0;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    Random random(seed);
    const MemoryFile file(
        build(random_guest(random, [&](PageBytes& words) { fill(random, words); })));
    const ImageFile image = ImageFile::open(file.path());
    const auto executor = make_seeded_executor(seed, 1 + seed % 4);
    std::string wanted;
    for (size_t bytes = 3 + random() % 8; bytes != 0; --bytes) wanted += "ab\0x"[random() % 4];
    // What is zeros alone is everywhere.
    if (wanted.find_first_not_of('\0') == wanted.npos) wanted[0] = 'a';
    const auto places = find_all(image, Pattern::text(wanted), *executor);
    EXPECT_EQ(places,
              search_slowly(
                  image, [&](const std::string& text) { return all_of(text, wanted); }, true));
    found += places.size();
    for (const auto& [pfn, at, bytes] : places) on_borders += at + bytes > 4096;
  }
  EXPECT_GT(found, 500u);
  EXPECT_GT(on_borders, 10u);
}

TEST(Find, finds_what_an_expression_matches) {
  size_t found = 0, on_borders = 0;
  const std::string expressions[] = {"b+x", "x[ab]{2,9}x", "xx.b", "(ab|ba)x", "^b?a", "a\\x00+b"};
  for (uint64_t seed = 1; seed <= 18; ++seed) {
    const std::string& expression = expressions[seed % std::size(expressions)];
    SCOPED_TRACE(fmt::format("seed {}, {}", seed, expression));
    Random random(seed);
    const MemoryFile file(build(random_guest(random, [&](PageBytes& words) {
      fill(random, words);
      for (uint64_t& word : words)  // a backtracking matcher has to come to an end
        if (random() % 4 == 0) word ^= 0x7700000000;
    })));
    const ImageFile image = ImageFile::open(file.path());
    const auto executor = make_seeded_executor(seed, 1 + seed % 4);
    const auto places = find_all(image, Pattern::regex(expression), *executor);
    const Pattern pattern = Pattern::regex(expression);
    const auto one_after_another = [&](const std::string& text) {
      std::vector<std::pair<size_t, size_t>> all;
      const auto bytes = std::as_bytes(std::span(text));
      for (auto match = pattern.find(bytes); match;
           match = pattern.find(bytes, match->at + match->bytes))
        all.emplace_back(match->at, match->bytes);
      return all;
    };
    EXPECT_EQ(places, search_slowly(image, one_after_another, false));
    found += places.size();
    for (const auto& [pfn, at, bytes] : places) on_borders += at + bytes > 4096;
  }
  EXPECT_GT(found, 500u);
  EXPECT_GT(on_borders, 10u);
}

TEST(Find, ends_when_somebody_has_seen_enough) {
  Random random(1);
  const MemoryFile file(build(random_guest(random, [&](PageBytes& words) { words.fill(0x61); })));
  const ImageFile image = ImageFile::open(file.path());
  const evidence::GuestPages pages(image);
  const auto executor = make_thread_executor(3);
  unsigned seen = 0;
  evidence::find(pages, Pattern::text("a"), {}, *executor,
                 [&](const evidence::Hit&) { return ++seen < 7; });
  EXPECT_EQ(seen, 7u);
}

TEST(Find, reads_patterns_of_all_kinds) {
  const std::string all("xx g\xc3\xbc\xf0\x9f\x98\x80 g\0\xfc\0\x3d\xd8\x00\xde \xde\xad", 22);
  const auto at = [&](const Pattern& pattern) {
    const auto match = pattern.find(std::as_bytes(std::span(all)));
    return match ? static_cast<int>(match->at) : -1;
  };
  EXPECT_EQ(at(Pattern::text("g\xc3\xbc")), 3);
  EXPECT_EQ(at(Pattern::utf16("g\xc3\xbc\xf0\x9f\x98\x80")), 11);
  EXPECT_EQ(at(Pattern::hex("DE ad")), 20);
  EXPECT_EQ(at(Pattern::hex("dead")), 20);
  EXPECT_EQ(at(Pattern::regex("\\xde\\xad$")), 20);
  EXPECT_EQ(at(Pattern::regex("q*")), -1) << "nothing is no match";
  for (const auto& bad :
       {std::string("d"), std::string("d ead"), std::string("0x1"), std::string()})
    EXPECT_THROW(Pattern::hex(bad), Error) << bad;
  EXPECT_THROW(Pattern::utf16("\xff"), Error);
  EXPECT_THROW(Pattern::regex("(a"), Error);
  EXPECT_THROW(Pattern::text(std::string(4097, 'a')), Error);
}

// A word that is as long as it may be, from the last byte of a page on.
TEST(Find, finds_the_longest_pattern_over_a_border) {
  TestGuest guest;
  const std::string wanted(4096, 'w');
  auto* last = reinterpret_cast<char*>(guest.page(TestGuest::kData + 3).words.data());
  last[4095] = 'w';
  std::memset(guest.page(TestGuest::kData + 4).words.data(), 'w', 4095);
  for (const unsigned pages_per_record : {1u, 16u}) {
    guest.pages_per_record = pages_per_record;
    const MemoryFile file(build(guest));
    InlineExecutor executor;
    EXPECT_EQ(find_all(ImageFile::open(file.path()), Pattern::text(wanted), executor),
              (std::vector<Place>{{TestGuest::kData + 3, 4095, 4096}}));
  }
}

// Two pages that follow each other in the kernel's image only: their pfns are in the other order.
TestGuest guest_with_neighbours(std::string_view first, std::string_view second) {
  TestGuest guest;
  FakeLinux kernel(guest);
  kernel.finish();
  constexpr uint64_t kL1 = 302, kA = 590, kB = 580, kAt = 100;
  guest.pages[kA] = {};
  guest.pages[kB] = {};
  guest.page(kL1).words[kAt] = table_entry(kA);
  guest.page(kL1).words[kAt + 1] = table_entry(kB);
  auto* end = reinterpret_cast<char*>(guest.page(kA).words.data()) + 4096;
  std::memcpy(end - first.size(), first.data(), first.size());
  std::memcpy(guest.page(kB).words.data(), second.data(), second.size());
  return guest;
}

using AddressAndPfn = std::pair<uint64_t, uint64_t>;

std::vector<AddressAndPfn> found_virtually(const TestGuest& guest, uint64_t root,
                                           const Pattern& pattern, uint64_t most = 1000) {
  const MemoryFile file(build(guest));
  const ImageFile image = ImageFile::open(file.path());
  const evidence::GuestPages pages(image, 2);
  std::vector<AddressAndPfn> found;
  evidence::find_virtual(pages, root, pattern, {}, [&](const evidence::Hit& hit) {
    found.emplace_back(hit.vaddr.value(), hit.pfn);
    EXPECT_EQ(pattern.find(hit.around, hit.before)->at, hit.before);
    EXPECT_EQ(*hit.vaddr % 4096, hit.at);
    return found.size() < most;
  });
  return found;
}

TEST(FindVirtual, finds_what_lies_in_two_pages_that_are_neighbours_only_there) {
  const TestGuest guest = guest_with_neighbours("half of a s", "ecret");
  const Pattern pattern = Pattern::text("of a secret");
  const uint64_t at = FakeLinux::kImage + 101 * 4096 - 6;
  EXPECT_THAT(found_virtually(guest, TestGuest::kKernelL4, pattern),
              testing::ElementsAre(AddressAndPfn{at, 590}));
  EXPECT_THAT(found_virtually(guest, TestGuest::kKernelL4, Pattern::regex("of . sec")),
              testing::ElementsAre(AddressAndPfn{at, 590}));
  EXPECT_TRUE(found_virtually(guest, TestGuest::kUserL4, pattern).empty());
  const MemoryFile file(build(guest));
  const auto executor = make_seeded_executor(1, 1);
  EXPECT_TRUE(find_all(ImageFile::open(file.path()), pattern, *executor).empty()) << "by pfn";
}

TEST(FindVirtual, finds_a_page_once_for_each_time_that_it_is_mapped_and_stops_when_told) {
  const TestGuest guest = guest_with_neighbours("", "a word in it");
  // Mapped in the direct map as well, whose L1 has the pfns up to 511 by itself.
  TestGuest twice = guest;
  twice.page(302).words[200] = table_entry(580);
  const Pattern pattern = Pattern::text("a word in it");
  EXPECT_EQ(found_virtually(guest, TestGuest::kKernelL4, pattern).size(), 1u);
  const auto both = found_virtually(twice, TestGuest::kKernelL4, pattern);
  ASSERT_EQ(both.size(), 2u);
  EXPECT_EQ(both[1].first - both[0].first, (200 - 101) * 4096u);
  EXPECT_EQ(found_virtually(twice, TestGuest::kKernelL4, pattern, 1).size(), 1u);
}

TEST(FindVirtual, of_tables_that_name_each_other_without_end_is_refused) {
  TestGuest guest = guest_with_neighbours("", "x");
  // 2^36 pages by four tables.
  for (const auto& [table, next] : {std::pair<uint64_t, uint64_t>{0, 300}, {300, 301}, {301, 302}})
    for (uint64_t& entry : guest.page(table).words) entry = table_entry(next);
  for (uint64_t& entry : guest.page(302).words) entry = table_entry(580);
  EXPECT_THROW(found_virtually(guest, TestGuest::kKernelL4, Pattern::text("not in it")), Error);
}

TEST(FindVirtual, of_what_is_no_root_finds_nothing) {
  const TestGuest guest = guest_with_neighbours("", "a word in it");
  for (const uint64_t root :
       {uint64_t{1}, uint64_t{590}, uint64_t{70}, uint64_t{100}, ~uint64_t{0}})
    EXPECT_TRUE(found_virtually(guest, root, Pattern::text("a word in it")).empty()) << root;
}

}  // namespace
}  // namespace ferry::test
