// A saved guest that comes in while it is restored.
//
// The process without rights says | length 4 | report (reader_report.h) | twice: once it has seen
// the configuration, and, told to go on by a byte, when all of the image is through or it is bad.
#include "tools/ferry-host/saved_stream.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <new>
#include <utility>
#include <vector>

#include "error/error.h"
#include "proto/xl_wrapper.h"
#include "tools/ferry-host/reader_report.h"

namespace ferry::host {
namespace {

constexpr size_t kPassOnStep = 1 << 20;
constexpr size_t kLongestReport = 8 << 20;  // a configuration is in a record, of 6 MiB at most
// Nobody knows how long it will be; no host has room for a guest of more.
constexpr uint64_t kLongestImage = uint64_t{1} << 40;
constexpr auto kTimeToEnd = std::chrono::seconds(5);  // once it has said all

struct Pipe {
  Pipe() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) fail_errno(Errc::io, errno, "cannot make a pipe");
    read.reset(ends[0]);
    write.reset(ends[1]);
  }
  Descriptor read, write;
};

// False if nobody reads it any more.
bool copy(ImageStream& image, int to) {
  FdSink sink(to, "xl restore");
  std::vector<std::byte> buffer(kPassOnStep);
  while (const size_t n = image.read(buffer)) {
    try {
      sink.write(std::span(buffer).first(n));
    } catch (const Error& e) {
      if (e.os_errno() == EPIPE) return false;
      throw;
    }
  }
  return true;
}

void say_report(int to, const std::string& report) {
  std::string message;
  put_bytes(message, static_cast<uint32_t>(report.size()));
  message += report;
  FdSink(to, "ferry restore").write(std::as_bytes(std::span(message)));
}

// All of the reader's life.
void read_image(int from, int to, int reports, int go) {
  try {
    FdSource source(from, "the image");
    ImageStream image(source);
    say_report(reports, kReaderDone + report_of(image.config()));
    std::byte told{};
    if (FdSource(go, "ferry restore").read(std::span(&told, 1)) == 0) return;
    copy(image, to);
    close(to);  // its end is seen before the report is waited for
    say_report(reports, std::string(1, kReaderDone));
  } catch (const Error& error) {
    close(to);
    say_report(reports, report_of(error));
  } catch (const std::bad_alloc&) {
    close(to);
    say_report(reports,
               report_of(Error(Errc::no_memory, "there is not enough memory to read the image")));
  }
}

}  // namespace

SavedStream::SavedStream(Descriptor from, std::string called, bool confined)
    : called_(std::move(called)), from_(std::move(from)) {
  if (!confined || !sandbox::can_confine()) {
    source_.emplace(from_.get(), stop_event_);
    image_.emplace(*source_);
    return;
  }
  Pipe reports, go, out;
  const int keep[] = {from_.get(), out.write.get(), reports.write.get(), go.read.get()};
  reader_.emplace(
      sandbox::Confined{.program = "ferry",
                        .what = called_,
                        .limits = sandbox::limits_for(kLongestImage),
                        .way_out = "sandbox = no in ferry.conf runs it without these limits"},
      keep, [&](const sandbox::Confinement&) {
        read_image(from_.get(), out.write.get(), reports.write.get(), go.read.get());
      });
  from_.reset();  // so that whoever writes it learns when the reader is gone
  reports_ = std::move(reports.read);
  go_ = std::move(go.write);
  out_ = std::move(out.read);
}

// Throws, saying how the reader ended, if it did so without a word.
std::string SavedStream::next_report() {
  FdSource source(reports_.get(), "what reads the image");
  uint32_t bytes = 0;
  std::string report;
  if (source.read(std::as_writable_bytes(std::span(&bytes, 1))) == sizeof bytes &&
      bytes <= kLongestReport) {
    report.resize(bytes);
    if (source.read(std::as_writable_bytes(std::span(report))) == bytes) return report;
  }
  if (!stopped_) reader_->wait(kTimeToEnd);
  ReaderReport("", called_).senseless();
}

SavedConfig SavedStream::read() {
  if (image_) return image_->config();
  const std::string text = next_report();
  ReaderReport report(text, called_);
  report.throw_if_failed();
  return report.config();
}

// False if xl stopped reading.
bool SavedStream::pass_on(int to) {
  if (image_) return copy(*image_, to);
  const std::byte told{1};
  FdSink(go_.get(), "what reads the image").write(std::span(&told, 1));
  for (;;) {
    const ssize_t n = splice(out_.get(), nullptr, to, nullptr, kPassOnStep, 0);
    if (n == 0) break;
    if (n < 0 && errno == EPIPE) return false;
    if (n < 0 && errno != EINTR) fail_errno(Errc::io, errno, "cannot write to xl restore");
  }
  const std::string text = next_report();
  ReaderReport(text, called_).throw_if_failed();
  return true;
}

bool SavedStream::feed(const XlHeader& header, int to) {
  try {
    FdSink sink(to, "xl restore");
    sink.write(encode_xl_header(header));
    const bool whole = pass_on(to);
    if (whole) sink.write(encode_libxl_end());
    fed_ = true;
    return whole;
  } catch (const Error& e) {
    fed_ = true;
    if (stopped_ || e.os_errno() == EPIPE) return false;
    throw;
  }
}

void SavedStream::stop() {
  if (fed_) return;
  stopped_ = true;
  stop_event_.stop();
  if (reader_) kill(reader_->pid(), SIGKILL);
}

}  // namespace ferry::host
