// A connection handed from one process of this host to another.
#include "network/pass_descriptor.h"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "error/error.h"

namespace ferry {
namespace {

// A message of one number, and room for one descriptor beside it.
struct Message {
  explicit Message(uint32_t& number) : part{&number, sizeof number} {
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
  }
  iovec part;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr header = {};
};

}  // namespace

void pass_descriptor(int over, int descriptor, uint32_t number) {
  Message message(number);
  cmsghdr* control = CMSG_FIRSTHDR(&message.header);
  control->cmsg_level = SOL_SOCKET;
  control->cmsg_type = SCM_RIGHTS;
  control->cmsg_len = CMSG_LEN(sizeof descriptor);
  std::memcpy(CMSG_DATA(control), &descriptor, sizeof descriptor);
  if (sendmsg(over, &message.header, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
    fail_errno(Errc::io, errno, "cannot hand a connection to the process that serves its job");
}

PassedDescriptor take_descriptor(int over, int timeout_ms) {
  pollfd ready = {over, POLLIN, 0};
  if (poll(&ready, 1, timeout_ms) == 0)
    fail(Errc::io, "a further connection was expected and did not come");
  PassedDescriptor passed;
  Message message(passed.number);
  const ssize_t n = recvmsg(over, &message.header, MSG_CMSG_CLOEXEC);
  const cmsghdr* control = n > 0 ? CMSG_FIRSTHDR(&message.header) : nullptr;
  if (!control || control->cmsg_type != SCM_RIGHTS)
    fail(Errc::io, "the process that waits for connections is gone");
  int fd = -1;
  std::memcpy(&fd, CMSG_DATA(control), sizeof fd);
  passed.descriptor.reset(fd);
  return passed;
}

}  // namespace ferry
