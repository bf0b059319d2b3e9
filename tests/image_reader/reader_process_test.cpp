// An image read by a process without rights: what it says, where it stops, and what is heard of how
// it ended.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "error/error.h"
#include "image_reader/image_records.h"
#include "image_reader/reader_process.h"
#include "pipeline/inline_executor.h"
#include "proto/pages.h"
#include "proto/record_writer.h"
#include "tests/audit/image_builder.h"
#include "tests/intake/collected.h"

namespace ferry::test {
namespace {

using testing::HasSubstr;

sandbox::Confined usual() {
  return {.program = "reader", .what = "the image", .limits = sandbox::limits_for(0)};
}

// Keeps all of the pages too, as a copy.
struct WithPages final : GuestRecords {
  void head(const GuestHead& h) override { said.head(h); }
  void cpu_policy(std::span<const std::byte> l, std::span<const std::byte> m) override {
    said.cpu_policy(l, m);
  }
  void populated(std::span<const PfnRun> r) override { said.populated(r); }
  void pages(std::span<const KindRun> runs, std::span<const std::byte> bytes) override {
    if (before_pages) before_pages();
    for (const KindRun& run : runs) {
      said.runs.push_back(run);
      if (!has_data(run.kind)) continue;
      const size_t size = run.count * kPageSize;
      pages_.insert(pages_.end(), bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(size));
      bytes = bytes.subspan(size);
    }
  }
  void tsc(uint64_t n, const GuestTsc& t) override { said.tsc(n, t); }
  void shared_info(uint64_t n, std::span<const std::byte> p) override { said.shared_info(n, p); }
  void vcpu(uint64_t n, GuestVcpu v) override { said.vcpu(n, std::move(v)); }

  Collected said;
  Bytes pages_;
  std::function<void()> before_pages;
};

class ReaderProcesses : public testing::Test {
 protected:
  ReaderProcesses() {
    TestGuest guest;
    image_ = build(guest);
    make_stream(stream_);
  }
  ~ReaderProcesses() override {
    if (writer_.joinable()) writer_.join();
    ::close(stream_[0]);
    close_stream();
  }

  // With room for a whole image.
  static void make_stream(int (&ends)[2]) {
    if (::pipe2(ends, O_CLOEXEC) != 0 || ::fcntl(ends[0], F_SETPIPE_SZ, 1 << 20) < 0)
      throw std::runtime_error("no pipe");
  }
  void send(const Bytes& bytes, bool then_close) {
    writer_ = std::thread([this, bytes, then_close] {
      FdSink(stream_[1], "the stream").write(bytes);
      if (then_close) close_stream();
    });
  }
  void close_stream() {
    if (stream_[1] >= 0) ::close(stream_[1]);
    stream_[1] = -1;
  }

  // What is thrown; "" if the image was read.
  std::string read(ReaderProcess& reader, GuestRecords& into) {
    FdSource messages(reader.messages_fd(), "the reader");
    try {
      ConfinedRecords(reader, messages, [&](int error) { held_ = error; }).read(into);
      return "";
    } catch (const Error& error) {
      code_ = error.code();
      return error.what();
    }
  }

  Bytes image_;
  int stream_[2];
  std::thread writer_;
  int held_ = -1;
  Errc code_{};
};

TEST_F(ReaderProcesses, say_what_is_in_the_image) {
  ReaderProcess reader(usual(), stream_[0], 2);
  send(image_, true);
  WithPages there, here;
  EXPECT_EQ(read(reader, there), "");
  EXPECT_EQ(held_, 0);
  MemorySource source(image_);
  InlineExecutor executor;
  ImageRecords(source, executor).read(here);
  EXPECT_EQ(there.said.order, here.said.order);
  EXPECT_EQ(there.pages_, here.pages_);
  EXPECT_GT(here.pages_.size(), 10 * kPageSize);
  EXPECT_EQ(there.said.shared, here.said.shared);
  EXPECT_EQ(there.said.numbers, here.said.numbers);
  ASSERT_EQ(there.said.vcpus.size(), here.said.vcpus.size());
  EXPECT_EQ(there.said.vcpus.at(0).basic, here.said.vcpus.at(0).basic);
}

// xl's own records follow on the same pipe.
TEST_F(ReaderProcesses, leave_what_is_behind_the_image) {
  ReaderProcess reader(usual(), stream_[0], 2);
  Bytes more = image_;
  more.insert(more.end(), 40, std::byte{7});
  send(more, false);
  WithPages taken;
  EXPECT_EQ(read(reader, taken), "");
  writer_.join();
  close_stream();
  Bytes rest(100);
  EXPECT_EQ(FdSource(stream_[0], "the stream").read(rest), 40u);
}

TEST_F(ReaderProcesses, take_nothing_before_they_are_asked) {
  send(image_, true);
  writer_.join();
  Bytes all(image_.size() + 1);
  {
    ReaderProcess reader(usual(), stream_[0], 2);
    ::usleep(20'000);
  }
  EXPECT_EQ(FdSource(stream_[0], "the stream").read(all), image_.size());
}

TEST_F(ReaderProcesses, say_what_is_wrong_with_an_image_as_it_is_said_here) {
  for (const size_t at : {size_t{3}, image_.size() / 3, image_.size() - 10}) {
    Bytes damaged = image_;
    damaged[at] ^= std::byte{1};
    MemorySource source(damaged);
    InlineExecutor executor;
    std::string here;
    try {
      Collected ignored;
      ImageRecords(source, executor).read(ignored);
    } catch (const Error& error) {
      here = error.what();
    }
    int ends[2];
    make_stream(ends);
    ReaderProcess reader(usual(), ends[0], 1);
    FdSink(ends[1], "the stream").write(damaged);
    ::close(ends[1]);
    WithPages taken;
    EXPECT_EQ(read(reader, taken), here);
    EXPECT_EQ(code_, Errc::bad_image);
    ::close(ends[0]);
  }
}

// More records than there are places, and one of them is damaged: who waits for a place is told.
TEST_F(ReaderProcesses, do_not_wait_for_ever_behind_a_damaged_record) {
  MemorySink sink;
  RecordWriter writer(sink, 1000);
  v1::Record head;
  head.mutable_head()->set_guest_width(8);
  head.mutable_head()->set_pt_levels(4);
  head.mutable_head()->set_nr_pfns(1000);
  writer.write(head);
  PagesEncoder encoder(0);
  const Bytes page(kPageSize, std::byte{5});
  size_t second = 0;
  for (uint64_t pfn = 0; pfn < 100; ++pfn) {
    if (pfn == 1) second = sink.bytes().size();
    const PageRun run[] = {{pfn_t(pfn), 1, v1::DATA}};
    writer.write_pages(encoder.encode(writer.next_sequence(), 0, run, page), run);
  }
  Bytes damaged = sink.bytes();
  damaged[second + 100] ^= std::byte{1};
  ReaderProcess reader(usual(), stream_[0], 1);
  send(damaged, true);
  WithPages taken;
  EXPECT_THAT(read(reader, taken), HasSubstr("record 3"));
}

TEST_F(ReaderProcesses, that_are_killed_are_told_of) {
  ReaderProcess reader(usual(), stream_[0], 1);
  WithPages taken;
  std::thread killer([&] {
    ::usleep(50'000);
    ::kill(reader.pid(), SIGSYS);
  });
  EXPECT_THAT(read(reader, taken),
              HasSubstr("what reads the image was stopped: it asked the kernel for what reading"));
  killer.join();
}

// Nothing but what it was given: no file of ours, whether closed on exec or not.
TEST_F(ReaderProcesses, have_three_descriptors_and_nothing_to_say_to_people) {
  const int ours = ::open("/dev/zero", O_RDWR | O_CLOEXEC);
  const int inherited = ::open("/dev/zero", O_RDWR);
  ReaderProcess reader(usual(), stream_[0], 1);
  ::usleep(100'000);  // it waits by then
  std::vector<std::string> open;
  const std::string folder = fmt::format("/proc/{}/fd", reader.pid());
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    open.push_back(std::filesystem::read_symlink(entry).string());
  std::sort(open.begin(), open.end());
  ASSERT_EQ(open.size(), 6u) << testing::PrintToString(open);
  EXPECT_THAT(open, testing::Contains("/dev/null").Times(3));
  EXPECT_THAT(open, testing::Contains(HasSubstr("pipe:")).Times(2));
  EXPECT_THAT(open, testing::Contains(HasSubstr("eventfd")).Times(1));
  ::close(ours);
  ::close(inherited);
}

TEST_F(ReaderProcesses, end_with_whoever_does_not_want_them_any_more) {
  pid_t pid = 0;
  {
    ReaderProcess reader(usual(), stream_[0], 1);
    pid = reader.pid();
  }
  EXPECT_EQ(::kill(pid, 0), -1);
}

// What takes the records fails: it says so, whatever the reader goes on saying.
TEST_F(ReaderProcesses, do_not_hold_up_who_takes_their_records) {
  ReaderProcess reader(usual(), stream_[0], 1);
  send(image_, true);
  WithPages taken;
  taken.before_pages = [] { fail(Errc::no_memory, "no room"); };
  EXPECT_EQ(read(reader, taken), "no room");
}

}  // namespace
}  // namespace ferry::test
