// The independent reader in Python and ferry's own find the same in every image, and neither takes
// a damaged one.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "proto/image_file.h"
#include "tests/audit/image_builder.h"
#include "tests/audit/run_program.h"

namespace ferry::test {
namespace {

Outcome reader(const std::string& image, const std::vector<std::string>& options = {}) {
  std::vector<std::string> words{FERRY_PYTHON, FERRY_READER, FERRY_SCHEMA, image};
  words.insert(words.end(), options.begin(), options.end());
  return run_program(words);
}

std::string hex(const Digest& digest) {
  std::string text;
  for (const std::byte byte : digest) text += fmt::format("{:02x}", static_cast<unsigned>(byte));
  return text;
}

// What --pages prints, by way of ImageFile.
std::string pages_of(const std::string& path) {
  const ImageFile image = ImageFile::open(path);
  std::vector<PageEntry> entries;
  for (uint64_t part = 0; part < image.parts(); ++part) {
    const auto more = image.read_part(part);
    entries.insert(entries.end(), more.begin(), more.end());
  }
  entries.resize(image.head().nr_pfns());
  std::string text;
  for (size_t first = 0; first < entries.size();) {
    const PageEntry& entry = entries[first];
    size_t end = first;
    Bytes contents;
    while (end < entries.size() && entries[end].mentioned && entries[end].kind == entry.kind) {
      std::array<std::byte, kPageSize> page{};
      image.read_page(pfn_t(end), page);
      if (entry.kind != v1::ABSENT) contents.insert(contents.end(), page.begin(), page.end());
      ++end;
    }
    if (end > first)
      text += fmt::format("{:#x}..{:#x} {} {}\n", first, end - 1, v1::PageKind_Name(entry.kind),
                          hex(digest_of(contents)));
    first = std::max(end, first + 1);
  }
  return text;
}

void expect_same_pages(const std::string& path) {
  const Outcome outcome = reader(path, {"--pages"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.out << outcome.err;
  // The first two lines sum up.
  size_t at = outcome.out.find('\n');
  at = outcome.out.find('\n', at + 1);
  ASSERT_NE(at, std::string::npos);
  EXPECT_EQ(outcome.out.substr(at + 1), pages_of(path)) << path;
}

class File {
 public:
  explicit File(const Bytes& bytes)
      : path_(std::filesystem::temp_directory_path() /
              fmt::format("ferry-reader-{}", static_cast<const void*>(this))) {
    std::ofstream out(path_, std::ios::binary);
    out.write(reinterpret_cast<const char*>(bytes.data()),
              static_cast<std::streamsize>(bytes.size()));
  }
  ~File() { std::filesystem::remove(path_); }
  std::string path() const { return path_; }

 private:
  std::filesystem::path path_;
};

TEST(IndependentReader, lists_the_same_pages_of_every_golden_image) {
  unsigned images = 0;
  for (const auto& entry : std::filesystem::directory_iterator(FERRY_GOLDEN)) {
    if (entry.path().filename() == "README.md") continue;
    // It knows nothing of deltas, as a reader of an earlier version does not.
    if (entry.path().stem().string().ends_with("-delta")) continue;
    expect_same_pages(entry.path());
    ++images;
  }
  EXPECT_GE(images, 2u);
}

TEST(IndependentReader, refuses_by_name_what_it_does_not_know) {
  const Outcome outcome = reader(FERRY_GOLDEN "/v1.0-delta.ferry");
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_NE((outcome.out + outcome.err).find("not known here: delta"), std::string::npos)
      << outcome.out << outcome.err;
}

TEST(IndependentReader, lists_the_same_pages_of_whole_guests) {
  TestGuest raw;
  raw.level = 0;
  expect_same_pages(File(build(raw)).path());
  TestGuest live;
  live.head.set_live(true);
  live.earlier = live.pages;
  live.earlier[TestGuest::kData].kind = v1::ZERO;
  expect_same_pages(File(build(live)).path());
}

TEST(IndependentReader, refuses_damage_wherever_it_is) {
  const Bytes whole = small_image();
  EXPECT_EQ(reader(File(whole).path()).exit_code, 0);
  for (unsigned i = 0; i < 12; ++i) {
    Bytes bad = whole;
    bad[bad.size() * i / 12] ^= std::byte{1} << (i % 8);
    const Outcome outcome = reader(File(bad).path());
    EXPECT_EQ(outcome.exit_code, 3) << "a flip at " << bad.size() * i / 12 << outcome.err;
  }
  EXPECT_EQ(reader(File(Bytes(whole.begin(), whole.end() - 81)).path()).exit_code, 3);
}

}  // namespace
}  // namespace ferry::test
