// What another host says over a pipe, decoded in a process without rights.
#include "host/confined_frames.h"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <chrono>

#include "error/run_main.h"
#include "migrate/link.h"
#include "migrate/plain_frame.h"

namespace ferry::host {
namespace {

constexpr auto kMostWait = std::chrono::seconds(2);

sandbox::Confined confinement() {
  // Of a frame both forms are there for a moment; a guest may take days to come.
  return {.program = "ferry",
          .what = "standard input",
          .limits = {.cpu_seconds = uint64_t{1} << 30, .memory_bytes = uint64_t{256} << 20},
          .way_out = "sandbox = no in ferry.conf runs it without these limits",
          .suspicion = "whoever called may have taken it over"};
}

void hand_on(int from, ByteSink& plain) {
  FdSource in(from, "the other host");
  MemorySink nothing;
  Link link(in, nothing);
  try {
    ImageChunk chunk;
    while (const auto frame = link.receive(chunk)) write_plain(*frame, chunk, plain);
  } catch (const Error& error) {
    write_broken(error.what(), plain);
  }
}

}  // namespace

ConfinedFrames::ConfinedFrames(int from) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    fail_errno(Errc::io, errno, "no socket for what another host says");
  plain_.reset(ends[0]);
  const Descriptor theirs(ends[1]);
  const int keep[] = {from, theirs.get()};
  child_.emplace(confinement(), keep, [&](const sandbox::Confinement&) {
    FdSink plain(theirs.get(), "the process that serves the job");
    hand_on(from, plain);
  });
}

ConfinedFrames::~ConfinedFrames() {
  if (!ended_by_itself()) return;
  try {
    child_->wait(kMostWait);
  } catch (const Error& error) {
    complain("ferry", error.what());
  }
}

bool ConfinedFrames::ended_by_itself() const {
  pollfd end = {plain_.get(), 0, 0};
  return poll(&end, 1, 0) > 0 && (end.revents & POLLHUP) != 0;
}

}  // namespace ferry::host
