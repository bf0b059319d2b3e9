// Short messages between processes of this host.
#include "network/pass_descriptor.h"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "error/error.h"

namespace ferry {
namespace {

// Room for a message and for one descriptor beside it.
struct Message {
  Message(char* text, size_t size) : part{text, size} {
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

void pass_message(int over, const std::string& text, int descriptor) {
  std::string bytes = text.substr(0, kMostMessageBytes);
  Message message(bytes.data(), bytes.size());
  if (descriptor >= 0) {
    cmsghdr* control = CMSG_FIRSTHDR(&message.header);
    control->cmsg_level = SOL_SOCKET;
    control->cmsg_type = SCM_RIGHTS;
    control->cmsg_len = CMSG_LEN(sizeof descriptor);
    std::memcpy(CMSG_DATA(control), &descriptor, sizeof descriptor);
  } else {
    message.header.msg_controllen = 0;
  }
  if (sendmsg(over, &message.header, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
    fail_errno(Errc::io, errno, "cannot speak to another process of this host");
}

std::optional<PassedMessage> take_message(int over, int timeout_ms) {
  pollfd ready = {over, POLLIN, 0};
  if (poll(&ready, 1, timeout_ms) == 0) return std::nullopt;
  std::string bytes(kMostMessageBytes, '\0');
  Message message(bytes.data(), bytes.size());
  const ssize_t n = recvmsg(over, &message.header, MSG_CMSG_CLOEXEC);
  if (n <= 0) fail(Errc::io, "the process that waits for connections is gone");
  PassedMessage passed;
  passed.text = bytes.substr(0, static_cast<size_t>(n));
  const cmsghdr* control = CMSG_FIRSTHDR(&message.header);
  if (control && control->cmsg_type == SCM_RIGHTS) {
    int fd = -1;
    std::memcpy(&fd, CMSG_DATA(control), sizeof fd);
    passed.descriptor.reset(fd);
  }
  return passed;
}

}  // namespace ferry
