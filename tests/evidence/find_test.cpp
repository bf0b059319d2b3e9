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

}  // namespace
}  // namespace ferry::test
