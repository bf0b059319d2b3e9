// A save or migration that runs on this host.
#include "host/running_save.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>

#include "error/error.h"
#include "files/run_directory.h"
#include "host/control_socket.h"
#include "io/descriptor.h"

namespace ferry::host {
namespace {

constexpr time_t kAnswersWithin = 5;  // seconds

// Nothing if nobody listens there.
Descriptor connect_to(domid_t domid) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  const std::string path = control_path(domid);
  if (path.size() >= sizeof address.sun_path) return {};
  std::memcpy(address.sun_path, path.data(), path.size());
  Descriptor fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval patience = {kAnswersWithin, 0};
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return {};
  return fd;
}

std::optional<domid_t> domain_of(std::string_view file) {
  constexpr std::string_view kBefore = "domain-", kAfter = ".control";
  if (!file.starts_with(kBefore) || !file.ends_with(kAfter)) return std::nullopt;
  file.remove_prefix(kBefore.size());
  file.remove_suffix(kAfter.size());
  uint16_t number = 0;
  const auto [end, problem] = std::from_chars(file.data(), file.data() + file.size(), number);
  if (problem != std::errc() || end != file.data() + file.size()) return std::nullopt;
  return domid_t{number};
}

}  // namespace

std::vector<RunningSave> RunningSave::all() {
  std::vector<RunningSave> running;
  for (const auto& entry : std::filesystem::directory_iterator(run_directory()))
    if (const auto domid = domain_of(entry.path().filename().string()))
      if (connect_to(*domid)) running.push_back(RunningSave(*domid));
  return running;
}

std::optional<RunningSave> RunningSave::of(domid_t domid) {
  if (!connect_to(domid)) return std::nullopt;
  return RunningSave(domid);
}

nlohmann::ordered_json RunningSave::ask(const std::string& request) const {
  const Descriptor fd = connect_to(domid_);
  const std::string line = request + "\n";
  std::string answer;
  if (fd &&
      send(fd.get(), line.data(), line.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(line.size()))
    for (char c; recv(fd.get(), &c, 1, 0) == 1 && c != '\n';) answer += c;
  const auto json = nlohmann::ordered_json::parse(answer, nullptr, false);
  if (!json.is_object())
    fail(Errc::io, "the save of domain {} does not answer any more", static_cast<unsigned>(domid_));
  if (json.contains("error")) fail(Errc::usage, "{}", json["error"].get<std::string>());
  return json;
}

}  // namespace ferry::host
