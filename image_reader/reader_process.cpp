// The reader of an image as a process without rights.
#include "image_reader/reader_process.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <new>

#include "error/error.h"
#include "image_reader/image_records.h"
#include "intake/piped_records.h"
#include "intake/record_pipe.h"
#include "pipeline/pipeline.h"

namespace ferry {
namespace {

// Once it has said all, it has only to end.
constexpr auto kTimeToEnd = std::chrono::seconds(5);

// As many as an executor has under way, and one for the engine: so whoever waits for a place waits
// for the engine, never for a record that has failed meanwhile and gives its place to nobody. More
// would cost: the memory of few places stays in the processor's caches.
unsigned places_for(unsigned threads) {
  return 2 * threads + 1;
}

// All of the reader's life.
void read_image(int image, const PageRing& ring, unsigned threads, RecordPipe& pipe) {
  try {
    FdSource source(image, "the image");
    const auto executor = make_thread_executor(threads);
    ImageRecords(source, *executor, &ring).read(pipe);
    pipe.end();
  } catch (const Error& error) {
    pipe.failed(error);
  } catch (const std::bad_alloc&) {
    pipe.failed(Error(Errc::no_memory, "there is not enough memory to read the image"));
  } catch (const std::exception& error) {
    pipe.failed(Error(Errc::internal, error.what()));
  }
}

}  // namespace

ReaderProcess::ReaderProcess(const sandbox::Confined& how, int image, unsigned threads)
    : ring_(places_for(threads)) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) fail_errno(Errc::io, errno, "cannot make a pipe");
  messages_.reset(ends[0]);
  const Descriptor to_engine(ends[1]);
  const int keep[] = {image, to_engine.get(), ring_.turns_fd()};
  child_.emplace(how, keep, [&](const sandbox::Confinement& confinement) {
    ring_.take_turn();  // to begin
    FdSink sink(to_engine.get(), "the engine");
    RecordPipe pipe(sink);
    pipe.held(confinement.seccomp_errno);
    read_image(image, ring_, threads, pipe);
  });
}

void ReaderProcess::begin() const {
  ring_.give_turns(1 + ring_.places());
}

void ReaderProcess::end() {
  child_->wait(kTimeToEnd);
}

void ConfinedRecords::read(GuestRecords& into) {
  reader_.begin();
  try {
    PipedRecords(messages_, reader_.ring(), held_).read(into);
  } catch (const ReaderGone&) {
    reader_.end();  // which knows better why
    throw;
  }
  reader_.end();
}

}  // namespace ferry
