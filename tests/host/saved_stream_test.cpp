// What xl restore is fed while an image comes in.
#include "tools/ferry-host/saved_stream.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <future>
#include <thread>

#include "error/error.h"
#include "proto/xl_wrapper.h"
#include "tests/proto/sample_image.h"
#include "tools/ferry-host/reader_report.h"

namespace ferry::host {
namespace {

using testing::HasSubstr;

struct Ends {
  Ends() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) ADD_FAILURE() << "no pipe";
    read.reset(ends[0]);
    write.reset(ends[1]);
    fcntl(write.get(), F_SETPIPE_SZ, 1 << 18);  // room for all that these tests write
  }
  void put(std::span<const std::byte> bytes) const { FdSink(write.get(), "a pipe").write(bytes); }
  Descriptor read, write;
};

// In a process without rights, or in this one.
class Feeding : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override { signal(SIGPIPE, SIG_IGN); }  // as ferry does

  static constexpr char kJudged[] = "{\"judged\": 1}";
  Bytes expected(std::span<const std::byte> image) const {
    Bytes file = encode_xl_header(header_);
    file.insert(file.end(), image.begin(), image.end());
    return file;
  }
  // What xl has got once feed() is through.
  static Bytes got(Ends& xl) {
    xl.write.reset();
    Bytes all(1 << 20);
    all.resize(FdSource(xl.read.get(), "a pipe").read(all));
    return all;
  }

  const Bytes image_ = test::sample_image(1);
  const XlHeader header_{kXlFlagJson | kXlFlagStreamV2, kJudged};
  Ends in_, xl_;
};

// restore does what the guest's configuration says, and hears of it this way only.
TEST(ReaderReport, regression_has_all_that_is_known_of_a_guest) {
  for (const bool set : {true, false}) {
    SavedConfig config{{kXlFlagJson, "{\"a\": 1}"}, set, set ? "mark" : "", set ? 12u : 0u, set};
    const std::string what = "an image";
    const std::string text = report_of(config);
    const SavedConfig read = ReaderReport(text, what).config();
    EXPECT_EQ(read.header.mandatory_flags, config.header.mandatory_flags);
    EXPECT_EQ(read.header.config, config.header.config);
    EXPECT_EQ(read.in_xl_file, set);
    EXPECT_EQ(read.mark, config.mark);
    EXPECT_EQ(read.guest_pages, config.guest_pages);
    EXPECT_EQ(read.paused, set);
  }
}

TEST_P(Feeding, gives_xl_the_header_that_was_judged_and_the_image_and_an_end) {
  in_.put(image_);
  in_.put(image_);  // somebody else's
  SavedStream stream(std::move(in_.read), "a stream", GetParam());
  EXPECT_EQ(stream.read().header.config, "{}");
  EXPECT_TRUE(stream.feed(header_, xl_.write.get()));
  Bytes whole = expected(image_);
  const Bytes end = encode_libxl_end();
  whole.insert(whole.end(), end.begin(), end.end());
  EXPECT_EQ(got(xl_), whole);
}

TEST_P(Feeding, gives_no_end_to_an_image_that_is_cut_off) {
  in_.put(std::span(image_).first(image_.size() - 1));
  in_.write.reset();
  SavedStream stream(std::move(in_.read), "a stream", GetParam());
  stream.read();
  try {
    stream.feed(header_, xl_.write.get());
    ADD_FAILURE() << "nobody noticed";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::bad_image);
    EXPECT_THAT(e.what(), HasSubstr("cut off"));
  }
  const Bytes fed = got(xl_);
  EXPECT_LE(fed.size(), expected(image_).size() - kEndRecord);
  EXPECT_TRUE(std::equal(fed.begin(), fed.end(), expected(image_).begin()));
}

TEST_P(Feeding, gives_nothing_of_a_record_that_is_damaged) {
  Bytes bytes = image_;
  const size_t at = bytes.size() / 2;
  bytes[at] ^= std::byte{1};
  in_.put(bytes);
  SavedStream stream(std::move(in_.read), "a stream", GetParam());
  stream.read();
  EXPECT_THROW(stream.feed(header_, xl_.write.get()), Error);
  EXPECT_LE(got(xl_).size(), expected({}).size() + at);
}

TEST_P(Feeding, ends_when_xl_reads_no_more) {
  in_.put(image_);
  SavedStream stream(std::move(in_.read), "a stream", GetParam());
  stream.read();
  xl_.read.reset();
  EXPECT_FALSE(stream.feed(header_, xl_.write.get()));
}

// An image that does not come any further, and an xl that was told to stop.
TEST_P(Feeding, ends_when_xl_has_ended_although_the_image_does_not) {
  in_.put(std::span(image_).first(image_.size() / 2));
  SavedStream stream(std::move(in_.read), "a stream", GetParam());
  stream.read();
  auto fed = std::async(std::launch::async, [&] { return stream.feed(header_, xl_.write.get()); });
  EXPECT_EQ(fed.wait_for(std::chrono::milliseconds(100)), std::future_status::timeout);
  stream.stop();
  EXPECT_FALSE(fed.get());
}

INSTANTIATE_TEST_SUITE_P(Reader, Feeding, ::testing::Bool(),
                         [](const auto& of) { return of.param ? "Confined" : "Here"; });

}  // namespace
}  // namespace ferry::host
