// What is different between two images is what a comparison page by page finds.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "evidence/diff.h"
#include "pipeline/inline_executor.h"
#include "pipeline/seeded_executor.h"
#include "tests/audit/audit_image.h"
#include "tests/evidence/random_guest.h"

namespace ferry::test {
namespace {

using evidence::ChangedPage;
using evidence::PagesDiff;
using testing::ElementsAre;
using testing::IsEmpty;
using G = TestGuest;

// An image that can be compared with another.
struct Open {
  explicit Open(const TestGuest& guest)
      : file(build(guest)), image(ImageFile::open(file.path())), pages(image, 2) {}
  MemoryFile file;
  ImageFile image;
  evidence::GuestPages pages;
};

struct Compared {
  PagesDiff diff;
  std::vector<uint64_t> pfns;
};

Compared compare(const Open& a, const Open& b, Executor& executor) {
  Compared compared;
  compared.diff = evidence::diff_pages(a.pages, b.pages, executor, [&](const ChangedPage& page) {
    compared.pfns.push_back(page.pfn);
  });
  return compared;
}

// Nothing for a page without a frame.
std::optional<std::pair<int, Bytes>> page_of(const Open& open, uint64_t pfn) {
  const audit::PageMap& map = open.pages.map();
  if (pfn >= map.size() || !map.populated(pfn)) return std::nullopt;
  Bytes bytes(4096);
  open.image.read_page(pfn_t(pfn), std::span(bytes).first<4096>());
  const v1::PageKind kind = map.kind(pfn);
  return std::pair(kind == v1::ZERO ? int{v1::DATA} : int{kind}, bytes);
}

// The same guest somewhat later: a few pages changed, came, went, or are others now.
TestGuest later(TestGuest guest, Random& random) {
  for (uint64_t pfn = 20; pfn < guest.head.nr_pfns(); pfn += 1 + random() % 40) {
    const uint64_t what = random() % 6;
    if (what == 0) {
      guest.pages.erase(pfn);
    } else if (what == 1) {
      guest.pages[pfn] = {.kind = v1::ZERO};
    } else if (what == 2) {
      guest.pages[pfn] = {};  // zeros, as data
    } else if (what == 3) {
      guest.pages[pfn].kind = v1::L1;
    } else if (auto page = guest.pages.find(pfn); page != guest.pages.end()) {
      page->second.words[random() % 512] ^= uint64_t{1} << random() % 64;
    }
  }
  if (random() % 3 == 0) guest.unmentioned.push_back(30);
  if (random() % 3 == 0) guest.head.set_nr_pfns(guest.head.nr_pfns() + random() % 1000);
  guest.pages_per_record = static_cast<unsigned>(1 + random() % 300);
  return guest;
}

TEST(Diff, finds_every_page_that_is_not_the_same) {
  uint64_t changed = 0;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    Random random(seed);
    const TestGuest guest = random_guest(random, [&](PageBytes& words) { words.fill(random()); });
    const Open a(guest), b(later(guest, random));
    const auto executor = make_seeded_executor(seed, 1 + seed % 4);
    const Compared compared = compare(a, b, *executor);
    std::vector<uint64_t> want;
    uint64_t pages = 0;
    for (uint64_t pfn = 0; pfn < std::max(a.pages.size(), b.pages.size()); ++pfn) {
      const auto from = page_of(a, pfn), to = page_of(b, pfn);
      if (from != to) want.push_back(pfn);
      pages += from || to;
    }
    EXPECT_EQ(compared.pfns, want);
    EXPECT_EQ(compared.diff.changed, want.size());
    EXPECT_EQ(compared.diff.pages, pages);
    uint64_t all = 0, of_kinds = 0;
    for (const auto& [kinds, change] : compared.diff.kinds) {
      all += change.pages;
      of_kinds += change.changed;
    }
    EXPECT_EQ(all, pages);
    EXPECT_EQ(of_kinds, want.size());
    EXPECT_THAT(compare(b, a, *executor).pfns, testing::ContainerEq(want)) << "the other way round";
    changed += want.size();
  }
  EXPECT_GT(changed, 500u);
}

// However it was saved: in how many rounds, records, with which compression.
TEST(Diff, finds_nothing_in_two_images_of_the_same) {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    Random random(seed);
    const TestGuest guest = random_guest(random, [&](PageBytes& words) { words.fill(random()); });
    TestGuest other = guest;
    other.level = 1 - guest.level;
    other.pages_per_record = 7;
    other.earlier.clear();
    for (const uint64_t pfn : {G::kZero, G::kZero + 3}) other.pages[pfn] = {};
    const Open a(guest), b(other);
    InlineExecutor executor;
    EXPECT_THAT(compare(a, b, executor).pfns, IsEmpty());
    EXPECT_THAT(evidence::diff_records(a.image, b.image), IsEmpty());
    EXPECT_THAT(evidence::diff_vcpus(a.image, b.image), IsEmpty());
  }
}

TEST(Diff, shows_both_sides_of_a_page) {
  TestGuest guest, other;
  guest.page(G::kData).words[1] = 5;
  other.page(G::kData).words[1] = 6;
  other.pages.erase(G::kData + 1);
  const Open a(guest), b(other);
  InlineExecutor executor;
  std::vector<std::pair<uint64_t, size_t>> seen;
  evidence::diff_pages(a.pages, b.pages, executor, [&](const ChangedPage& page) {
    seen.emplace_back(page.pfn, page.to_bytes.size());
    EXPECT_EQ(page.from_bytes.size(), 4096u);
    EXPECT_EQ(page.from, v1::DATA);
    if (page.pfn != G::kData) return;
    EXPECT_EQ(page.from_bytes[8], std::byte{5});
    EXPECT_EQ(page.to_bytes[8], std::byte{6});
  });
  EXPECT_THAT(seen, ElementsAre(std::pair(G::kData, 4096u), std::pair(G::kData + 1, 0u)));
}

TEST(Diff, names_registers_and_parts_of_vcpus) {
  TestGuest guest, other(1);
  other.vcpu[0].set(648, 0x1234);  // rip
  other.vcpu[0].record.mutable_msrs()->resize(32);
  const Open a(guest), b(other);
  const auto vcpus = evidence::diff_vcpus(a.image, b.image);
  ASSERT_EQ(vcpus.size(), 2u);
  EXPECT_THAT(vcpus[0].parts, ElementsAre("basic", "msrs"));
  ASSERT_EQ(vcpus[0].registers.size(), 1u);
  EXPECT_EQ(vcpus[0].registers[0].name, "rip");
  EXPECT_EQ(vcpus[0].registers[0].from, "0x0");
  EXPECT_EQ(vcpus[0].registers[0].to, "0x1234");
  EXPECT_TRUE(vcpus[1].in_a);
  EXPECT_FALSE(vcpus[1].in_b);
}

TEST(Diff, names_what_is_different_of_the_guest) {
  TestGuest guest, other;
  other.head.set_xen_minor(20);
  other.tsc.set_khz(guest.tsc.khz() + 1);
  other.set_shared_info(100 * 8, 77);
  const Open a(guest), b(other);
  std::vector<std::string> names;
  for (const auto& change : evidence::diff_records(a.image, b.image)) names.push_back(change.name);
  EXPECT_THAT(names, ElementsAre("Xen", "TSC kHz", "shared_info"));
}

}  // namespace
}  // namespace ferry::test
