// Images as files: found bare and in xl's wrapper, any page, and what else a file may be.
#include "proto/image_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <thread>

#include "error/error.h"
#include "proto/record_reader.h"
#include "proto/record_writer.h"
#include "proto/xl_wrapper.h"
#include "tests/proto/sample_image.h"

namespace ferry {
namespace {

using test::TempFile;
using testing::HasSubstr;

struct Page {
  v1::PageKind kind = v1::ABSENT;
  Bytes bytes;
};

std::map<uint64_t, Page> last_versions(const std::vector<test::Batch>& batches) {
  std::map<uint64_t, Page> pages;
  for (const test::Batch& batch : batches) {
    auto data = batch.pages.begin();
    for (const PageRun& run : batch.runs)
      for (uint64_t i = 0; i < run.count; ++i) {
        Page& page = pages[run.first.raw() + i];
        page = {run.kind, {}};
        if (!has_data(run.kind)) continue;
        page.bytes.assign(data, data + kPageSize);
        data += kPageSize;
      }
  }
  return pages;
}

void expect_sample_pages(const ImageFile& file) {
  const auto expected = last_versions(test::sample_batches());
  const auto entries = file.read_part(0);
  ASSERT_EQ(entries.size(), test::kSamplePfns);
  for (uint64_t pfn = 0; pfn < test::kSamplePfns; ++pfn) {
    const auto found = expected.find(pfn);
    EXPECT_EQ(entries[pfn].mentioned, found != expected.end()) << pfn;
    Bytes page(kPageSize, std::byte{0xee});
    const bool data = file.read_page(pfn_t(pfn), std::span<std::byte, kPageSize>(page));
    if (found == expected.end()) {
      EXPECT_FALSE(data) << pfn;
      continue;
    }
    EXPECT_EQ(entries[pfn].kind, found->second.kind) << pfn;
    EXPECT_EQ(data, has_data(found->second.kind)) << pfn;
    EXPECT_EQ(page, data ? found->second.bytes : Bytes(kPageSize, std::byte{0xee})) << pfn;
  }
}

Bytes in_xl(const Bytes& image) {
  return test::join({encode_xl_header({kXlFlagJson | kXlFlagStreamV2, "{\"c_info\":{}}"}), image,
                     encode_libxl_end()});
}

std::string refusal(const Bytes& content) {
  const TempFile file(content);
  try {
    ImageFile::open(file.path());
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::bad_image) << error.what();
    EXPECT_THAT(error.what(), HasSubstr(file.path()));
    return error.what();
  }
  return "accepted";
}

TEST(ImageFile, HasTheLastVersionOfEveryPage) {
  for (const int level : {0, 1, 9}) {
    const TempFile file(test::sample_image(level));
    expect_sample_pages(ImageFile::open(file.path()));
  }
}

TEST(ImageFile, IsReadByManyThreadsAtOnce) {
  // More records than the reader keeps decoded, so that they push each other out.
  constexpr uint64_t kPfns = 64;
  MemorySink sink;
  RecordWriter writer(sink, kPfns);
  v1::Record record;
  *record.mutable_head() = test::sample_head(kPfns);
  writer.write(record);
  for (uint64_t pfn = 0; pfn < kPfns; ++pfn) {
    test::Batch batch;
    batch.add(pfn, v1::DATA, pfn);
    writer.write_pages(PagesEncoder(1).encode(writer.next_sequence(), 0, batch.runs, batch.pages),
                       batch.runs);
  }
  writer.finish();
  const TempFile file(sink.bytes());
  const ImageFile image = ImageFile::open(file.path());
  std::atomic<int> wrong = 0;
  std::vector<std::jthread> threads;
  for (uint64_t t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      Bytes page(kPageSize);
      for (uint64_t i = 0; i < 300; ++i) {
        const uint64_t pfn = (i * (2 * t + 1) / 3 + t) % kPfns;
        if (!image.read_page(pfn_t(pfn), std::span<std::byte, kPageSize>(page)) ||
            page != test::page_bytes(pfn))
          ++wrong;
      }
    });
  threads.clear();
  EXPECT_EQ(wrong, 0);
}

TEST(ImageFile, FindsAnImageInAnXlSaveFile) {
  const Bytes image = test::sample_image(1);
  const TempFile file(in_xl(image));
  const ImageFile opened = ImageFile::open(file.path());
  EXPECT_TRUE(opened.place().in_xl_file);
  EXPECT_EQ(opened.place().xl_config, "{\"c_info\":{}}");
  EXPECT_EQ(opened.place().xl_flags, kXlFlagJson | kXlFlagStreamV2);
  EXPECT_EQ(opened.place().bytes, image.size());
  expect_sample_pages(opened);
  Bytes streamed(image.size() + 1);
  EXPECT_EQ(opened.stream()->read(streamed), image.size());
  streamed.pop_back();
  EXPECT_EQ(streamed, image);
}

TEST(ImageFile, HasAllOtherRecordsInOrder) {
  const TempFile file(test::sample_image(1));
  std::vector<int> kinds;
  ImageFile::open(file.path()).for_each_other([&](const RawRecord& record) {
    kinds.push_back(static_cast<int>(record.kind));
    return true;
  });
  EXPECT_EQ(kinds, (std::vector<int>{3, 4, 5, 6, 7, 9, 10, 11, 11, 12}));
}

TEST(ImageFile, RefusesWhatFollowsAnImage) {
  Bytes image = test::sample_image(1);
  image.push_back(std::byte{0});
  EXPECT_THAT(refusal(image), HasSubstr("something follows"));
  EXPECT_THAT(refusal(in_xl(image)), HasSubstr("something follows"));
  Bytes xl = in_xl(test::sample_image(1));
  xl.push_back(std::byte{1});
  EXPECT_THAT(refusal(xl), HasSubstr("something follows"));
}

TEST(ImageFile, SaysWhatAForeignFileSeemsToBe) {
  const auto bytes = [](std::string_view text) {
    const auto span = std::as_bytes(std::span(text));
    return Bytes(span.begin(), span.end());
  };
  using namespace std::string_view_literals;
  const Bytes libxc = bytes("\xff\xff\xff\xff\xff\xff\xff\xffXENF\0\0\0\3\0\0\0\0\0\0\0\0"sv);
  EXPECT_THAT(refusal(libxc), HasSubstr("libxc v3 stream"));
  EXPECT_THAT(refusal(in_xl(libxc)), HasSubstr("libxc v3 stream, which stock xl restores"));
  EXPECT_THAT(refusal({}), HasSubstr("empty"));
  EXPECT_THAT(refusal(bytes("\x7f"
                            "ELF and so on")),
              HasSubstr("not a saved domain"));
  EXPECT_THAT(refusal(bytes("LibxlFmt\0\0\0\2\0\0\0\0"sv)), HasSubstr("libxl stream without"));
  EXPECT_THAT(refusal(bytes("libvirt-xml\n \0 \r")), HasSubstr("libvirt"));
  EXPECT_THAT(refusal(bytes("\x1f\x8b\x08")), HasSubstr("gzip"));
  EXPECT_THAT(refusal(Bytes(100)), HasSubstr("zero bytes"));
  EXPECT_THROW(ImageFile::open("/"), Error);
  EXPECT_THROW(ImageFile::open("/nonexistent/file"), Error);
}

TEST(ImageFile, NamesTheVersionOfAnImageOfAnotherMajorVersion) {
  v1::Record record;
  record.mutable_magic()->set_magic(0x474d495952524546);
  record.mutable_magic()->set_major(7);
  Bytes image = test::sample_image(1);
  std::ranges::copy(encode_record(record), image.begin());
  EXPECT_THAT(refusal(image), HasSubstr("format version 7, this ferry reads version 1"));
}

}  // namespace
}  // namespace ferry
