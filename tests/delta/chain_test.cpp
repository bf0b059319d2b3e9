// Chains of small images: as one image they are what the whole image is, and whatever is done to a
// link is refused by its name.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "audit/audit.h"
#include "delta/chain.h"
#include "delta/identity.h"
#include "delta/squash.h"
#include "error/error.h"
#include "pipeline/inline_executor.h"
#include "proto/record_reader.h"
#include "tests/audit/image_builder.h"
#include "tests/delta/make_delta.h"

namespace ferry::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// A guest on three days.
TestGuest on_day(unsigned day) {
  TestGuest guest;
  for (unsigned d = 1; d <= day; ++d) {
    guest.page(TestGuest::kData + d).words[7] = 0x1000 + d;
    guest.page(TestGuest::kZero + d).kind = v1::DATA;
    guest.page(TestGuest::kZero + d).words[1] = d;
    guest.page(TestGuest::kZero + d + 8).kind = v1::ZERO;
  }
  if (day > 0) {  // given back
    guest.pages.erase(TestGuest::kLast - 1);
    guest.p2m_entry(TestGuest::kLast - 1) = ~uint64_t{0};
  }
  if (day == 2) guest.page(TestGuest::kZero + 1) = {.kind = v1::ZERO};  // zero again
  guest.head.set_populated_pages(guest.pages.size());
  return guest;
}

struct Days {
  Days() {
    for (unsigned day = 0; day < 3; ++day) whole.push_back(build(on_day(day)));
    links.push_back(whole[0]);
    for (unsigned day = 1; day < 3; ++day) {
      const MemoryFile before(whole[day - 1]);
      links.push_back(delta_of(ImageFile::open(before.path()), links[day - 1], whole[day]));
    }
  }
  std::vector<Bytes> whole, links;
};

ImageFile open(const ChainFiles& files) {
  InlineExecutor executor;
  return delta::open_chain(files.inputs(), executor);
}

// What a chain of these is refused with.
std::string refusal(const ChainFiles& files) {
  try {
    open(files);
    return "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::bad_image) << error.what();
    return error.what();
  }
}

TEST(Chain, IsTheWholeImageInEveryPageAndRecord) {
  const Days days;
  for (size_t day = 0; day < 3; ++day) {
    const ChainFiles files({days.links.begin(), days.links.begin() + 1 + static_cast<long>(day)});
    const ImageFile chain = open(files);
    const MemoryFile file(days.whole[day]);
    const ImageFile whole = ImageFile::open(file.path());
    EXPECT_THAT(pages_that_differ(chain, whole), IsEmpty());
    EXPECT_THAT(records_that_differ(chain, whole), IsEmpty());
    EXPECT_FALSE(is_delta(chain.head()));
  }
  EXPECT_LT(days.links[2].size(), days.links[0].size());
}

TEST(Chain, HasAStreamThatIsAnImageAndAgreesWithItsIndex) {
  const Days days;
  const ChainFiles files(days.links);
  const ImageFile chain = open(files);
  Bytes bytes(chain.place().bytes + 1);
  bytes.resize(chain.stream()->read(bytes));
  EXPECT_EQ(bytes.size(), chain.place().bytes);
  const MemoryFile file(bytes);
  const ImageFile streamed = ImageFile::open(file.path());
  EXPECT_THAT(pages_that_differ(chain, streamed), IsEmpty());
  EXPECT_THAT(records_that_differ(chain, streamed), IsEmpty());
  EXPECT_EQ(chain.index_root().SerializeAsString(), streamed.index_root().SerializeAsString());
  uint64_t records = 0;
  MemorySource source(bytes);
  RecordReader reader(source);
  while (const auto record = reader.next()) {
    check_digest(*record);
    ++records;
    if (record->kind == v1::Record::kEndFieldNumber) continue;
    const RawRecord same = chain.read_record(record->offset);
    EXPECT_EQ(same.sequence, record->sequence);
    EXPECT_TRUE(std::ranges::equal(same.body(), record->body())) << place_of(*record);
  }
  EXPECT_EQ(records, chain.end().records());
}

TEST(Chain, IsJudgedAsTheGuestThatItHolds) {
  const Days days;
  InlineExecutor executor;
  const ChainFiles files(days.links);
  const audit::Result result = audit::run(open(files), {}, executor);
  EXPECT_TRUE(result.clean());
  for (const auto& finding : result.findings.kept()) ADD_FAILURE() << finding.sentence;

  // A page that the newest says nothing of is still the base's, and judged.
  TestGuest bad = on_day(1);
  bad.page(TestGuest::kKernelL1).words[5] = table_entry(TestGuest::kPfns + 1);
  const Bytes whole = build(bad);
  const MemoryFile before(whole);
  const ChainFiles broken({whole, delta_of(ImageFile::open(before.path()), whole, build([&] {
                                             TestGuest next = bad;
                                             next.page(TestGuest::kData).words[0] = 1;
                                             return next;
                                           }()))});
  EXPECT_FALSE(audit::run(open(broken), {}, executor).clean());
}

TEST(Chain, BecomesOneWholeImage) {
  const Days days;
  const ChainFiles files(days.links);
  InlineExecutor executor;
  MemorySink sink;
  const delta::Squashed done = delta::squash(open(files), sink, executor, 1);
  EXPECT_EQ(done.image_bytes, sink.bytes().size());
  const MemoryFile file(sink.bytes()), expected(days.whole[2]);
  const ImageFile squashed = ImageFile::open(file.path()), whole = ImageFile::open(expected.path());
  EXPECT_THAT(pages_that_differ(squashed, whole), IsEmpty());
  EXPECT_THAT(records_that_differ(squashed, whole), IsEmpty());
  EXPECT_EQ(squashed.head().SerializeAsString(), whole.head().SerializeAsString());
  EXPECT_THAT(broken_rules(audit_image(sink.bytes())), IsEmpty());
  // Each page once.
  uint64_t pages = 0;
  for (const RawRecord& record : [&] {
         std::vector<RawRecord> all;
         MemorySource source(sink.bytes());
         RecordReader reader(source);
         while (auto one = reader.next()) all.push_back(std::move(*one));
         return all;
       }()) {
    if (record.kind != v1::Record::kPages) continue;
    pages += decode_pages(record, TestGuest::kPfns).raw_bytes / kPageSize;
  }
  EXPECT_EQ(pages, done.pages);
}

TEST(Chain, NamesItsBaseByTheHashThatTheFormatStates) {
  const Days days;
  InlineExecutor executor;
  for (const Bytes& link : days.links) {
    const MemoryFile file(link);
    const BaseName name =
        delta::identify(ImageFile::open_link(InputFile(file.path())), "x", executor);
    EXPECT_EQ(hex_of({reinterpret_cast<const char*>(name.sha256.data()), name.sha256.size()}),
              hex_of(sha256_of_image(link)));
    EXPECT_EQ(name.bytes, link.size());
  }
}

TEST(Chain, IsRefusedWithoutALink) {
  const Days days;
  const ChainFiles alone({days.links[1]});
  EXPECT_THAT(refusal(alone), HasSubstr(hex_of(sha256_of_image(days.links[0]))));
  EXPECT_THAT(refusal(alone), HasSubstr(alone.path(0)));
  const ChainFiles no_first({days.links[1], days.links[2]});
  EXPECT_EQ(refusal(no_first),
            fmt::format("{} is a delta, and its base is missing: the image with the SHA-256 {}",
                        no_first.path(0), hex_of(sha256_of_image(days.links[0]))));
  const ChainFiles no_second({days.links[0], days.links[2]});
  EXPECT_EQ(
      refusal(no_second),
      fmt::format("{} is not a delta of {}, but of the image with the SHA-256 {}",
                  no_second.path(1), no_second.path(0), hex_of(sha256_of_image(days.links[1]))));
}

TEST(Chain, IsRefusedInAnotherOrderOrWithAnotherGuestsLink) {
  const Days days;
  const auto& [a, b, c] = std::tie(days.links[0], days.links[1], days.links[2]);
  const ChainFiles reversed({a, c, b});
  EXPECT_EQ(refusal(reversed), fmt::format("{} is not a delta of {}, but of {}", reversed.path(1),
                                           reversed.path(0), reversed.path(2)));
  EXPECT_THAT(refusal(ChainFiles({b, a, c})), HasSubstr("its base is missing"));
  const ChainFiles twice({a, a, b});
  EXPECT_EQ(refusal(twice),
            fmt::format("{} is a whole image, and no delta of {}", twice.path(1), twice.path(0)));
  TestGuest other = on_day(0);
  other.page(TestGuest::kData).words[3] = 1;
  const ChainFiles of_other({build(other), b});
  EXPECT_THAT(refusal(of_other), HasSubstr(of_other.path(1) + " is not a delta of"));
}

TEST(Chain, IsRefusedIfItsBaseHasTheRightEndButOtherBytes) {
  // Who can write images can write another one with the End that the delta names, as the digests
  // have no key. The SHA-256 of all its bytes tells them apart.
  const Days days;
  TestGuest other = on_day(0);
  other.page(TestGuest::kData + 3).words[3] ^= 1;
  const Bytes forged = build(other);
  const MemoryFile file(forged);
  const ChainFiles files({forged, delta_of(ImageFile::open(file.path()), forged, days.whole[1],
                                           sha256_of_image(days.links[0]))});
  EXPECT_EQ(refusal(files),
            fmt::format("{} is not the image that {} was saved against: its SHA-256 is {}, not {}",
                        files.path(0), files.path(1), hex_of(sha256_of_image(forged)),
                        hex_of(sha256_of_image(days.links[0]))));
}

// Bytes of each link, one after the other, with one bit changed: all of its first and last records,
// of the rest some everywhere.
TEST(Chain, IsRefusedWithAnyByteChanged) {
  const Days days;
  for (size_t link = 0; link < 3; ++link) {
    ChainFiles files(days.links);
    const Bytes& bytes = days.links[link];
    const auto step = [&](size_t at) { return at < 60 || at + 90 > bytes.size() ? 1u : 23u; };
    for (size_t at = 0; at < bytes.size(); at += step(at)) {
      files.file(link).write_at(at, bytes[at] ^ std::byte(1u << at % 8));
      try {
        const ImageFile chain = open(files);
        // The newest is named by nobody: its own digests have to tell, when it is read.
        EXPECT_EQ(link, 2u) << "byte " << at << " of " << bytes.size();
        InlineExecutor executor;
        MemorySink sink;
        delta::squash(chain, sink, executor, 1);
        ADD_FAILURE() << "nobody noticed byte " << at << " of link " << link;
      } catch (const Error& error) {
        EXPECT_THAT(error.what(), HasSubstr(files.path(link)))
            << "byte " << at << " of link " << link << ": " << error.what();
      }
      files.file(link).write_at(at, bytes[at]);
      if (HasFailure()) return;
    }
  }
}

TEST(Chain, IsFoundInAFolder) {
  const Days days;
  const ChainFiles files(days.links);
  const Bytes junk(300, std::byte{'x'});
  TestGuest other = on_day(0);
  other.page(TestGuest::kData).words[3] = 1;
  const ChainFiles others({junk, build(other)});
  std::vector<InputFile> among = {others.inputs()[0], files.inputs()[2], files.inputs()[1],
                                  others.inputs()[1], files.inputs()[0]};
  const auto paths = [](const std::vector<InputFile>& links) {
    std::vector<std::string> all;
    for (const InputFile& link : links) all.push_back(link.path());
    return all;
  };
  EXPECT_THAT(paths(delta::find_links(files.inputs()[2], among)),
              ElementsAre(files.path(0), files.path(1), files.path(2)));
  EXPECT_THAT(paths(delta::find_links(files.inputs()[0], among)), ElementsAre(files.path(0)));
  among.erase(among.begin() + 4);
  try {
    delta::find_links(files.inputs()[2], among);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.what(), fmt::format("the base of {} is missing: the image with the SHA-256 {}",
                                        files.path(1), hex_of(sha256_of_image(days.links[0]))));
  }
}

TEST(Chain, OfOldReadersIsRefusedByTheNameOfItsFeature) {
  const Days days;
  const MemoryFile file(days.links[1]);
  const v1::Head head = ImageFile::open_link(InputFile(file.path())).head();
  EXPECT_THAT(head.required_features(), ElementsAre("delta"));
  try {
    ImageFile::open(file.path());
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("this is a delta"));
    EXPECT_THAT(error.what(), HasSubstr(hex_of(sha256_of_image(days.links[0]))));
  }
}

}  // namespace
}  // namespace ferry::test
