// Whose turn it is to be the CPUs of a host's guests.
#include "sim/machine/guest_turn.h"

#include <fcntl.h>

#include <cerrno>

namespace ferry::sim {
namespace {

void set_lock(int fd, short type) {
  struct flock whole = {};
  whole.l_type = type;
  whole.l_whence = SEEK_SET;
  while (fcntl(fd, F_OFD_SETLKW, &whole) != 0 && errno == EINTR) {
  }
}

}  // namespace

GuestTurn::GuestTurn(Host& host) : fd_(host.fd()) {
  set_lock(fd_, F_WRLCK);
}

GuestTurn::~GuestTurn() {
  set_lock(fd_, F_UNLCK);
}

}  // namespace ferry::sim
