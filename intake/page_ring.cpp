// Memory that the reader of an image and the engine share.
#include "intake/page_ring.h"

#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

#include "error/error.h"

namespace ferry {

PageRing::PageRing(unsigned places)
    : places_(places), turns_(eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE)) {
  if (!turns_) fail_errno(Errc::no_memory, errno, "cannot count turns");
  // Memory of no file: nobody can make it shorter under our hands.
  void* const memory = mmap(nullptr, places_ * kPlaceBytes, PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) fail_errno(Errc::no_memory, errno, "cannot share memory");
  memory_ = static_cast<std::byte*>(memory);
}

PageRing::~PageRing() {
  munmap(memory_, places_ * kPlaceBytes);
}

void PageRing::give_turns(unsigned turns) const {
  const uint64_t more = turns;
  while (write(turns_.get(), &more, sizeof more) < 0)
    if (errno != EINTR) fail_errno(Errc::io, errno, "cannot give the reader its turn");
}

void PageRing::take_turn() const {
  uint64_t one = 0;
  while (::read(turns_.get(), &one, sizeof one) < 0)
    if (errno != EINTR) fail_errno(Errc::io, errno, "cannot wait for a turn");
}

}  // namespace ferry
