// Debian's programs, and libxl's side of the helper protocol.
#include "tests/sim/stock_tools.h"

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstring>

namespace ferry::sim {

namespace {

std::string output_of(const std::string& command, int* status = nullptr) {
  std::string out;
  FILE* pipe = popen(command.c_str(), "r");
  if (!pipe) return out;
  std::array<char, 4096> buffer{};
  while (const size_t n = fread(buffer.data(), 1, buffer.size(), pipe))
    out.append(buffer.data(), n);
  const int rc = pclose(pipe);
  if (status) *status = rc;
  return out;
}

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

enum Number : uint16_t {
  kLog = 1,
  kProgress = 2,
  kSuspend = 3,
  kStaticDataDone = 8,
  kRestoreResults = 9,
  kComplete = 10
};

void answer(int fd, int value) {
  if (write(fd, &value, sizeof value) != sizeof value) return;  // it is gone: its status tells
}

void serve(int from, int to, HelperResult& result, const std::function<int()>& suspend) {
  for (;;) {
    uint16_t length = 0;
    if (!read_all(from, &length, sizeof length)) return;
    std::vector<char> bytes(length);
    if (!read_all(from, bytes.data(), length)) return;
    Message m(std::move(bytes));
    switch (m.take<uint16_t>()) {
      case kLog: {
        m.take<uint32_t>();
        m.take<uint32_t>();
        const std::string context = m.take_string();
        result.log += context + ": " + m.take_string() + "\n";
        break;
      }
      case kSuspend:
        result.suspended = true;
        answer(to, suspend());
        break;
      case kStaticDataDone:
        answer(to, 0);
        break;
      case kRestoreResults:
        result.store_mfn = m.take<uint64_t>();
        result.console_mfn = m.take<uint64_t>();
        break;
      case kComplete:
        result.retval = m.take<int>();
        result.os_errno = m.take<int>();
        answer(to, 0);
        break;
      default:
        break;
    }
  }
}

}  // namespace

const std::string& stock_folder() {
  static const std::string folder = [] {
    std::string out = output_of(std::string(FERRY_STOCK_TOOLS) + " 2>/dev/null");
    while (!out.empty() && out.back() == '\n') out.pop_back();
    return out;
  }();
  return folder;
}

std::string verify_stream(const std::string& path) {
  const std::string lib = stock_folder() + "/usr/lib/xen-4.17";
  int status = 0;
  const std::string out = output_of("PYTHONPATH=" + lib + "/lib/python python3 " + lib +
                                        "/bin/verify-stream-v2 -f libxc -i " + path + " 2>&1",
                                    &status);
  if (status == 0) return {};
  return out.empty() ? "it fails without a word" : out;
}

HelperResult run_helper(const std::vector<std::string>& arguments,
                        const std::vector<std::string>& environment,
                        const std::function<int()>& suspend) {
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
  serve(from_helper[0], to_helper[1], result, suspend);
  close(to_helper[1]);
  close(from_helper[0]);
  int status = 0;
  waitpid(pid, &status, 0);
  result.exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return result;
}

}  // namespace ferry::sim
