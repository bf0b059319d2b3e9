// What of a folder can be restored, and why the rest cannot.
#include "delta/folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pipeline/inline_executor.h"
#include "tests/audit/image_builder.h"
#include "tests/delta/make_delta.h"

namespace ferry::test {
namespace {

using delta::FolderEntry;
using delta::LinkState;
using testing::HasSubstr;

TestGuest with(uint64_t word) {
  TestGuest guest;
  guest.page(TestGuest::kData).words[9] = word;
  return guest;
}

// A whole image, a delta of it, a delta of that, and another whole image.
std::vector<Bytes> some_images() {
  std::vector<Bytes> whole, images;
  for (uint64_t n = 0; n < 4; ++n) whole.push_back(build(with(n)));
  images.push_back(whole[0]);
  for (size_t n = 1; n < 3; ++n) {
    const MemoryFile before(whole[n - 1]);
    images.push_back(delta_of(ImageFile::open(before.path()), images[n - 1], whole[n]));
  }
  images.push_back(whole[3]);
  return images;
}

std::vector<FolderEntry> verify(const std::vector<InputFile>& files) {
  InlineExecutor executor;
  return delta::verify_folder(files, executor);
}

TEST(Folder, WithAllOfItsLinksCanBeRestored) {
  ChainFiles files(some_images());
  std::vector<InputFile> in_any_order = {files.inputs()[2], files.inputs()[0], files.inputs()[3],
                                         files.inputs()[1]};
  const auto entries = verify(in_any_order);
  ASSERT_EQ(entries.size(), 4u);
  for (const FolderEntry& entry : entries) {
    EXPECT_EQ(entry.state, LinkState::restorable) << entry.why;
    EXPECT_EQ(entry.why, "");
    EXPECT_EQ(entry.sha256.size(), 64u);
  }
  EXPECT_EQ(entries[0].links, 3u);
  EXPECT_EQ(entries[3].links, 2u);
  EXPECT_EQ(entries[0].base, 3u);
  EXPECT_EQ(entries[3].base, 1u);
  EXPECT_EQ(entries[1].deltas_upon_it, 1u);
  EXPECT_EQ(entries[2].deltas_upon_it, 0u);
  EXPECT_FALSE(entries[1].delta);
  EXPECT_EQ(entries[0].base_sha256, entries[3].sha256);
}

TEST(Folder, WithALinkMissingSaysWhichImagesAreOrphaned) {
  ChainFiles files(some_images());
  const auto no_base = verify({files.inputs()[1], files.inputs()[2], files.inputs()[3]});
  EXPECT_EQ(no_base[0].state, LinkState::orphaned);
  EXPECT_THAT(no_base[0].why, HasSubstr("its base is missing"));
  EXPECT_EQ(no_base[1].state, LinkState::orphaned);
  EXPECT_THAT(no_base[1].why, HasSubstr("its base cannot be restored: " + files.path(1)));
  EXPECT_EQ(no_base[2].state, LinkState::restorable);
  const auto no_middle = verify({files.inputs()[0], files.inputs()[2]});
  EXPECT_EQ(no_middle[0].state, LinkState::restorable);
  EXPECT_EQ(no_middle[1].state, LinkState::orphaned);
}

TEST(Folder, WithAByteChangedSaysWhichImageIsDamagedAndWhichAreOrphaned) {
  const std::vector<Bytes> images = some_images();
  for (size_t link = 0; link < 3; ++link) {
    for (size_t at = 3; at < images[link].size(); at += images[link].size() / 9) {
      ChainFiles files(images);
      files.file(link).write_at(at, images[link][at] ^ std::byte{4});
      const auto entries = verify(files.inputs());
      for (size_t i = 0; i < entries.size(); ++i) {
        SCOPED_TRACE(testing::Message() << "byte " << at << " of " << link << ", image " << i);
        if (i == link && at >= 26) {
          EXPECT_EQ(entries[i].state, LinkState::damaged);
          EXPECT_THAT(entries[i].why, HasSubstr(files.path(i)));
        } else if (i == link) {
          EXPECT_NE(entries[i].state, LinkState::restorable);
        } else {
          EXPECT_EQ(entries[i].state,
                    i > link && i < 3 ? LinkState::orphaned : LinkState::restorable);
        }
      }
    }
  }
}

TEST(Folder, MayHoldOtherFiles) {
  ChainFiles files({Bytes(), Bytes(7, std::byte{9}), Bytes(5000, std::byte{'x'}), build(with(1))});
  const auto entries = verify(files.inputs());
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(entries[i].state, LinkState::no_image) << i;
  EXPECT_EQ(entries[3].state, LinkState::restorable);
}

}  // namespace
}  // namespace ferry::test
