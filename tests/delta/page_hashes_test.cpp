// A file of page hashes: what is read back is what was written, and every damage is found.
#include <gtest/gtest.h>

#include "base_pages/base_pages.h"
#include "error/error.h"

namespace ferry {
namespace {

using Page = std::array<std::byte, kPageSize>;

Page page_of(int value) {
  Page page;
  page.fill(std::byte(value));
  return page;
}

BaseName some_name() {
  BaseName name;
  name.sha256.fill(std::byte{1});
  name.digest_of_digests.fill(std::byte{2});
  name.bytes = 3;
  return name;
}

Bytes written() {
  BasePages pages = BasePages::make(8);
  pages.zero(1);
  pages.page(2, 5, page_of(7).data());
  pages.page(3, 5, page_of(8).data());
  pages.absent(3);
  pages.finish(4, some_name());
  MemorySink file;
  pages.write_to(file);
  return file.bytes();
}

void read(const Bytes& file, BasePages& into) {
  MemorySource source(file);
  into.read_from(source);
}

Errc refused(const Bytes& file, uint64_t room = 8) {
  BasePages pages = BasePages::make(room);
  try {
    read(file, pages);
  } catch (const Error& e) {
    EXPECT_THROW(BasePages::adopt(pages.fd()), Error) << "the engine would take it";
    return e.code();
  }
  ADD_FAILURE() << "it was taken";
  return Errc::internal;
}

TEST(PageHashes, say_what_they_were_told_when_they_are_read_back) {
  const Bytes file = written();
  EXPECT_EQ(file.size(), kPageSize + 4 * 16 + 16);
  EXPECT_TRUE(BasePages::begins_so(file));
  BasePages into = BasePages::make(8);
  read(file, into);
  const BasePages pages = BasePages::adopt(into.fd());
  EXPECT_EQ(pages.nr_pfns(), 4u);
  EXPECT_EQ(pages.name().sha256, some_name().sha256);
  EXPECT_EQ(pages.name().digest_of_digests, some_name().digest_of_digests);
  EXPECT_EQ(pages.name().bytes, 3u);
  EXPECT_TRUE(pages.was_absent(0));
  EXPECT_TRUE(pages.was_zero(1));
  EXPECT_TRUE(pages.was(2, 5, page_of(7).data()));
  EXPECT_FALSE(pages.was(2, 6, page_of(7).data()));
  EXPECT_FALSE(pages.was(2, 5, page_of(8).data()));
  EXPECT_TRUE(pages.was_absent(3));
}

TEST(PageHashes, with_a_bit_turned_are_refused) {
  Bytes file = written();
  // The front's last part is all the same.
  const auto step = [](size_t bit) { return bit < 8 * 512 || bit >= 8 * kPageSize ? 1 : 61; };
  for (size_t bit = 0; bit < 8 * file.size(); bit += step(bit)) {
    const auto mask = static_cast<std::byte>(1u << bit % 8);
    file[bit / 8] ^= mask;
    const Errc code = refused(file);
    EXPECT_TRUE(code == Errc::bad_image || code == Errc::unsupported) << "bit " << bit;
    file[bit / 8] ^= mask;
    if (HasFailure()) return;
  }
}

TEST(PageHashes, cut_off_anywhere_or_longer_are_refused) {
  const Bytes file = written();
  for (size_t bytes = 0; bytes < file.size(); ++bytes)
    ASSERT_EQ(refused(Bytes(file.begin(), file.begin() + static_cast<ptrdiff_t>(bytes))),
              Errc::bad_image)
        << bytes;
  Bytes longer = file;
  longer.push_back({});
  EXPECT_EQ(refused(longer), Errc::bad_image);
}

TEST(PageHashes, of_more_pages_than_there_is_room_for_are_refused) {
  EXPECT_EQ(refused(written(), 3), Errc::unsupported);
}

TEST(PageHashes, of_a_save_that_did_not_end_are_no_file) {
  BasePages pages = BasePages::make(8);
  pages.zero(1);
  MemorySink file;
  EXPECT_THROW(pages.write_to(file), Error);
  EXPECT_TRUE(file.bytes().empty());
}

}  // namespace
}  // namespace ferry
