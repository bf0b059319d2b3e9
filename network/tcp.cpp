// Sockets that connect and listen.
#include "network/tcp.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "error/error.h"

namespace ferry {
namespace {

using Addresses = std::unique_ptr<addrinfo, void (*)(addrinfo*)>;

Addresses resolve(const Address& address, int flags) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int problem = getaddrinfo(address.host.empty() ? nullptr : address.host.c_str(),
                                  std::to_string(address.port).c_str(), &hints, &found);
  if (problem != 0)
    fail(Errc::io, "{} cannot be found: {}", address.host,
         problem == EAI_SYSTEM ? std::strerror(errno) : gai_strerror(problem));
  return {found, freeaddrinfo};
}

void set(int socket, int level, int option, int value) {
  setsockopt(socket, level, option, &value, sizeof value);
}

// 0 or an errno.
int connect_in_time(int socket, const addrinfo& to) {
  if (connect(socket, to.ai_addr, to.ai_addrlen) == 0) return 0;
  if (errno != EINPROGRESS) return errno;
  pollfd ready = {socket, POLLOUT, 0};
  const int n = poll(&ready, 1, std::chrono::milliseconds(kPeerTimeout).count());
  if (n < 0) return errno;
  if (n == 0) return ETIMEDOUT;
  int problem = 0;
  socklen_t size = sizeof problem;
  return getsockopt(socket, SOL_SOCKET, SO_ERROR, &problem, &size) == 0 ? problem : errno;
}

}  // namespace

void tune_tcp(int socket) {
  constexpr int kSeconds = kPeerTimeout.count();
  set(socket, IPPROTO_TCP, TCP_NODELAY, 1);
  set(socket, SOL_SOCKET, SO_KEEPALIVE, 1);
  set(socket, IPPROTO_TCP, TCP_KEEPIDLE, kSeconds / 3);
  set(socket, IPPROTO_TCP, TCP_KEEPINTVL, kSeconds / 6);
  set(socket, IPPROTO_TCP, TCP_KEEPCNT, 4);
}

bool peer_is_gone(int socket) {
  tcp_info info = {};
  socklen_t size = sizeof info;
  if (getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return false;
  // A peer that lives acknowledges what is sent, and probes of its full window: those two in turn.
  const bool unanswered = info.tcpi_retransmits > 0 || info.tcpi_probes > 1;
  return unanswered && std::chrono::milliseconds(info.tcpi_last_ack_recv) >
                           std::chrono::milliseconds(kPeerTimeout);
}

Descriptor connect_tcp(const Address& to, const std::optional<IpNetwork>& only) {
  const Addresses found = resolve(to, 0);
  int problem = EADDRNOTAVAIL;
  bool in_network = false;
  for (const addrinfo* one = found.get(); one; one = one->ai_next) {
    if (only && !only->contains(one->ai_addr)) continue;
    in_network = true;
    Descriptor fd(socket(one->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) {
      problem = errno;
      continue;
    }
    tune_tcp(fd.get());
    problem = connect_in_time(fd.get(), *one);
    if (problem == 0) return fd;
  }
  if (!in_network && only)
    fail(Errc::io, "cannot reach {}: it has no address in the migration network {}", to.text(),
         only->text());
  fail_errno(Errc::io, problem, fmt::format("cannot reach {}", to.text()));
}

std::vector<Descriptor> listen_tcp(const Address& at) {
  const Addresses found = resolve(at, AI_PASSIVE);
  std::vector<Descriptor> listening;
  for (const addrinfo* one = found.get(); one; one = one->ai_next) {
    Descriptor fd(socket(one->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd && errno == EAFNOSUPPORT) continue;
    if (fd) {
      set(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
      // Without it the IPv6 socket would take the IPv4 one's port too.
      if (one->ai_family == AF_INET6) set(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1);
    }
    if (!fd || bind(fd.get(), one->ai_addr, one->ai_addrlen) != 0 ||
        listen(fd.get(), SOMAXCONN) != 0)
      fail_errno(Errc::io, errno, fmt::format("cannot listen at {}", at.text()));
    listening.push_back(std::move(fd));
  }
  if (listening.empty()) fail(Errc::io, "cannot listen at {}: no such address here", at.text());
  return listening;
}

namespace {

// getsockname or getpeername
std::string end_of(int socket, int (*ask)(int, sockaddr*, socklen_t*)) {
  sockaddr_storage address = {};
  socklen_t size = sizeof address;
  char host[NI_MAXHOST], port[NI_MAXSERV];
  if (ask(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0 ||
      getnameinfo(reinterpret_cast<sockaddr*>(&address), size, host, sizeof host, port, sizeof port,
                  NI_NUMERICHOST | NI_NUMERICSERV) != 0)
    return "an unknown address";
  const bool v6 = std::strchr(host, ':') != nullptr;
  return fmt::format("{}{}{}:{}", v6 ? "[" : "", host, v6 ? "]" : "", port);
}

}  // namespace

std::string peer_of(int socket) {
  return end_of(socket, getpeername);
}

std::string own_end_of(int socket) {
  return end_of(socket, getsockname);
}

}  // namespace ferry
