// libxl's side of the save helper's protocol.
#include "tests/sim/libxl_side.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

namespace ferry::sim {

namespace {

bool read_all(int fd, void* p, size_t bytes) {
  auto* at = static_cast<char*>(p);
  while (bytes) {
    const ssize_t n = read(fd, at, bytes);
    if (n <= 0) return false;
    at += n;
    bytes -= static_cast<size_t>(n);
  }
  return true;
}

// One message of the helper: u16 length, then u16 number and packed arguments.
class Message {
 public:
  explicit Message(std::vector<char> bytes) : bytes_(std::move(bytes)) {}
  template <typename T>
  T take() {
    T value{};
    if (at_ + sizeof value <= bytes_.size()) memcpy(&value, bytes_.data() + at_, sizeof value);
    at_ += sizeof value;
    return value;
  }
  std::string take_string() {
    const auto length = take<uint32_t>();
    if (at_ + length > bytes_.size() || length == 0) return {};
    std::string s(bytes_.data() + at_, length - 1);
    at_ += length;
    return s;
  }

 private:
  std::vector<char> bytes_;
  size_t at_ = 0;
};

void serve(int from, int to, HelperResult& result, const LibxlSide& libxl) {
  for (;;) {
    uint16_t length = 0;
    if (!read_all(from, &length, sizeof length)) return;
    std::vector<char> bytes(length);
    if (!read_all(from, bytes.data(), length)) return;
    Message m(std::move(bytes));
    const auto number = static_cast<HelperMessage>(m.take<uint16_t>());
    const bool dies = libxl.dies_at == number;
    const auto reply = [&](int value) {
      if (!dies && write(to, &value, sizeof value) != sizeof value) return;  // its status will tell
    };
    switch (number) {
      case HelperMessage::log: {
        m.take<uint32_t>();
        m.take<uint32_t>();
        const std::string context = m.take_string();
        result.log += context + ": " + m.take_string() + "\n";
        break;
      }
      case HelperMessage::suspend:
        result.suspended = true;
        reply(libxl.suspend());
        break;
      case HelperMessage::static_data_done:
        reply(0);
        break;
      case HelperMessage::restore_results:
        result.store_mfn = m.take<uint64_t>();
        result.console_mfn = m.take<uint64_t>();
        break;
      case HelperMessage::complete:
        result.retval = m.take<int>();
        result.os_errno = m.take<int>();
        reply(0);
        break;
      default:
        break;
    }
    if (dies) return;
  }
}

}  // namespace

HelperResult run_helper(const std::vector<std::string>& arguments,
                        const std::vector<std::string>& environment, const LibxlSide& libxl) {
  HelperResult result;
  int to_helper[2], from_helper[2];
  if (pipe(to_helper) || pipe(from_helper)) return result;
  std::vector<char*> argv;
  for (const std::string& a : arguments) argv.push_back(const_cast<char*>(a.c_str()));
  argv.push_back(nullptr);
  const pid_t pid = fork();
  if (pid == 0) {
    dup2(to_helper[0], 0);
    dup2(from_helper[1], 1);
    for (const int fd : {to_helper[0], to_helper[1], from_helper[0], from_helper[1]}) close(fd);
    for (const std::string& e : environment) putenv(const_cast<char*>(e.c_str()));
    execv(argv[0], argv.data());
    _exit(127);
  }
  close(to_helper[0]);
  close(from_helper[1]);
  serve(from_helper[0], to_helper[1], result, libxl);
  close(to_helper[1]);
  close(from_helper[0]);
  int status = 0;
  waitpid(pid, &status, 0);
  result.exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return result;
}

}  // namespace ferry::sim
