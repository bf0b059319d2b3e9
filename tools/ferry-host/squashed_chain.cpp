// A delta with what it builds upon, as one image in a pipe. The process that makes it says in
// another pipe what went wrong (reader_report.h), or nothing.
#include "tools/ferry-host/squashed_chain.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <new>

#include "delta/squash.h"
#include "error/error.h"
#include "io/byte_stream.h"
#include "pipeline/pipeline.h"
#include "tools/ferry-host/reader_report.h"

namespace ferry::host {
namespace {

constexpr size_t kLongestComplaint = 64 << 10;
constexpr unsigned kMostThreads = 2;
constexpr auto kSquasherEnds = std::chrono::seconds(5);  // once it has said all

struct TwoEnds {
  TwoEnds() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) fail_errno(Errc::io, errno, "cannot make a pipe");
    read.reset(ends[0]);
    write.reset(ends[1]);
  }
  Descriptor read, write;
};

// Stored as it is where only some pages of a record are left: nobody keeps it.
void squash_into(const delta::ImageFiles& files, int to) {
  const unsigned threads = std::clamp(std::thread::hardware_concurrency(), 1u, kMostThreads);
  FdSink sink(to, "what restores the image");
  try {
    delta::squash(files.open(), sink, *make_thread_executor(threads), 0);
  } catch (const Error& error) {
    if (error.os_errno() != EPIPE) throw;  // nobody wants the rest
  }
}

}  // namespace

SquashedChain::SquashedChain(const delta::ImageFiles& files, bool confined)
    : called_(files.path()) {
  TwoEnds image, reports;
  image_ = std::move(image.read);
  reports_ = std::move(reports.read);
  if (!confined || !sandbox::can_confine()) {
    thread_ = std::thread([this, files, to = image.write.release()] {
      const Descriptor closed(to);
      try {
        squash_into(files, to);
      } catch (...) {
        failure_ = std::current_exception();
      }
    });
    return;
  }
  std::vector<int> keep = {image.write.get(), reports.write.get()};
  for (const int fd : files.descriptors()) keep.push_back(fd);
  child_.emplace(
      sandbox::Confined{.program = "ferry",
                        .what = called_,
                        .limits = sandbox::limits_for(files.size()),
                        .way_out = "sandbox = no in ferry.conf runs it without these limits"},
      keep, [&](const sandbox::Confinement&) {
        std::string failed;
        try {
          squash_into(files, image.write.get());
        } catch (const Error& error) {
          failed = report_of(error);
        } catch (const std::bad_alloc&) {
          failed = report_of(Error(Errc::no_memory, "there is not enough memory for the chain"));
        }
        FdSink(reports.write.get(), "ferry restore").write(std::as_bytes(std::span(failed)));
      });
}

SquashedChain::~SquashedChain() {
  image_.reset();
  if (thread_.joinable()) thread_.join();
}

void SquashedChain::throw_if_failed() {
  image_.reset();
  if (thread_.joinable()) {
    thread_.join();
    if (failure_) std::rethrow_exception(failure_);
    return;
  }
  std::string text(kLongestComplaint, '\0');
  text.resize(FdSource(reports_.get(), "what reads the chain")
                  .read(std::as_writable_bytes(std::span(text))));
  if (!text.empty()) ReaderReport(text, called_).throw_if_failed();
  child_->wait(kSquasherEnds);
}

}  // namespace ferry::host
