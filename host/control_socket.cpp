// The socket through which a live save is watched and steered while it runs.
#include "host/control_socket.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <vector>

#include <nlohmann/json.hpp>

#include "error/error.h"
#include "files/run_directory.h"
#include "host/live_settings.h"
#include "host/live_status.h"

namespace ferry {

std::string control_path(domid_t domid) {
  return fmt::format("{}/domain-{}.control", run_directory(), static_cast<unsigned>(domid));
}

}  // namespace ferry

namespace ferry::helper {
namespace {

constexpr size_t kLongestRequest = 256;
constexpr size_t kMostClients = 16;
constexpr int kPauseMs = 100;
constexpr std::string_view kSet = "set ";
constexpr char kDone[] = "{\"ok\": true}";

std::string error_json(std::string_view sentence) {
  const nlohmann::ordered_json error = {{"error", sentence}};
  return error.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

bool somebody_listens(const sockaddr_un& address) {
  const Descriptor probe(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  return connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

int listen_at(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path)
    fail(Errc::usage, "\"{}\" is no path that a socket can have", path);
  std::memcpy(address.sun_path, path.data(), path.size());
  if (somebody_listens(address)) fail(Errc::busy, "somebody else listens at {}", path);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  struct stat old = {};
  if (lstat(path.c_str(), &old) == 0 && S_ISSOCK(old.st_mode)) unlink(path.c_str());
  // Nobody else may speak to it, from the moment on when it has a name.
  const mode_t before = umask(0177);
  const bool listens = fd >= 0 &&
                       bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
                       listen(fd, 4) == 0;
  const int os_errno = errno;
  umask(before);
  if (listens) return fd;
  if (fd >= 0) close(fd);
  fail_errno(Errc::io, os_errno, fmt::format("cannot listen at {}", path));
}

}  // namespace

ControlSocket::Listener::Listener(const std::string& at) : path(at), fd(listen_at(at)) {
}

ControlSocket::Listener::~Listener() {
  unlink(path.c_str());
}

ControlSocket::ControlSocket(const std::string& path, LiveControl& control,
                             std::function<void()> stop, bool live)
    : control_(control),
      stop_(std::move(stop)),
      live_(live),
      listener_(path),
      end_(eventfd(0, EFD_CLOEXEC)) {
  if (!end_) fail_errno(Errc::io, errno, fmt::format("cannot serve {}", path));
  thread_ = std::thread([this] { serve(); });
}

ControlSocket::~ControlSocket() {
  eventfd_write(end_.get(), 1);
  thread_.join();
}

void ControlSocket::update(const LiveProgress& progress) {
  std::lock_guard lock(mutex_);
  progress_ = progress;
}

std::string ControlSocket::answer(std::string_view request) {
  if (request == "status") {
    std::lock_guard lock(mutex_);
    return host::to_json(progress_);
  }
  if (request == "cancel") {
    stop_();
    return kDone;
  }
  const size_t blank = request.find(' ', kSet.size());
  if (!request.starts_with(kSet) || blank == std::string_view::npos)
    return error_json("not one of: status, cancel, set NAME VALUE");
  if (!live_) return error_json("the guest stands still meanwhile: there is nothing to change");
  try {
    host::change(control_, request.substr(kSet.size(), blank - kSet.size()),
                 request.substr(blank + 1));
    return kDone;
  } catch (const Error& e) {
    return error_json(e.what());
  }
}

// False when the client is gone.
bool ControlSocket::serve_client(int fd, std::string& pending) {
  char bytes[kLongestRequest];
  const ssize_t n = recv(fd, bytes, sizeof bytes, 0);
  if (n < 0) return errno == EAGAIN || errno == EINTR;
  if (n == 0) return false;
  pending.append(bytes, static_cast<size_t>(n));
  for (size_t end; (end = pending.find('\n')) != std::string::npos;) {
    const std::string line = answer(std::string_view(pending).substr(0, end)) + "\n";
    pending.erase(0, end + 1);
    // A client that does not read its answers does not hold anything up.
    if (send(fd, line.data(), line.size(), MSG_NOSIGNAL | MSG_DONTWAIT) !=
        static_cast<ssize_t>(line.size()))
      return false;
  }
  return pending.size() < kLongestRequest;
}

void ControlSocket::serve() {
  std::map<int, std::string> clients;
  for (;;) {
    std::vector<pollfd> fds = {{end_.get(), POLLIN, 0}, {listener_.fd.get(), POLLIN, 0}};
    for (const auto& [fd, pending] : clients) fds.push_back({fd, POLLIN, 0});
    if (poll(fds.data(), fds.size(), -1) < 0) continue;
    if (fds[0].revents) break;
    for (size_t i = 2; i < fds.size(); ++i) {
      if (!fds[i].revents || serve_client(fds[i].fd, clients[fds[i].fd])) continue;
      close(fds[i].fd);
      clients.erase(fds[i].fd);
    }
    if (!fds[1].revents) continue;
    const int client = accept4(listener_.fd.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (client < 0) {
      // Without a descriptor for it the client stays in the queue, and we would be back at once.
      poll(fds.data(), 1, kPauseMs);
      continue;
    }
    if (clients.size() < kMostClients)
      clients[client];
    else
      close(client);
  }
  for (const auto& [fd, pending] : clients) close(fd);
}

}  // namespace ferry::helper
