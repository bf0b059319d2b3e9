// The sockets at which this host waits for others.
#include "network/listeners.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>

#include "error/error.h"
#include "network/tcp.h"

namespace ferry {

std::vector<Descriptor> open_listeners(const Address& unless_given) {
  const int given = sd_listen_fds(1);
  if (given < 0) fail_errno(Errc::io, -given, "cannot take over the sockets that systemd opened");
  if (given == 0) return listen_tcp(unless_given);
  std::vector<Descriptor> listening;
  for (int fd = SD_LISTEN_FDS_START; fd < SD_LISTEN_FDS_START + given; ++fd) {
    listening.emplace_back(fd);
    if (sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, 1) <= 0)
      fail(Errc::usage,
           "descriptor {} is no listening socket; the socket unit needs ListenStream= and "
           "Accept=no",
           fd);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  }
  return listening;
}

Descriptor started_for() {
  if (sd_listen_fds(1) != 1 || sd_is_socket(SD_LISTEN_FDS_START, AF_UNIX, SOCK_SEQPACKET, 0) <= 0)
    fail(Errc::usage, "systemd starts this, for each job that is handed over at a socket");
  return Descriptor(SD_LISTEN_FDS_START);
}

void tell_ready() {
  sd_notify(0, "READY=1");
}

}  // namespace ferry
