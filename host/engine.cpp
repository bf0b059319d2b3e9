// Runs ferry-save-helper as a child and plays libxl's part in the conversation.
#include "host/engine.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <vector>

#include "error/error.h"
#include "host/child.h"
#include "host/messages.h"
#include "host/stop_signals.h"
#include "settings/environment.h"
#include "settings/places.h"

namespace ferry::host {
namespace {

using helper::Level;
using helper::Message;

// One message's arguments, read with every length checked.
class Unpacker {
 public:
  explicit Unpacker(std::vector<char> bytes) : bytes_(std::move(bytes)) {}

  template <typename T>
  T get() {
    T value;
    if (bytes_.size() - at_ < sizeof value) fail(Errc::internal, "the engine sent a short message");
    std::memcpy(&value, bytes_.data() + at_, sizeof value);
    at_ += sizeof value;
    return value;
  }
  std::string text() {
    const auto length = get<uint32_t>();
    if (length == 0 || bytes_.size() - at_ < length)
      fail(Errc::internal, "the engine sent a short message");
    std::string text(bytes_.data() + at_, length - 1);
    at_ += length;
    return text;
  }

 private:
  std::vector<char> bytes_;
  size_t at_ = 0;
};

bool read_all(int fd, void* into, size_t bytes) {
  for (size_t done = 0; done < bytes;) {
    ssize_t n = read(fd, static_cast<char*>(into) + done, bytes - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    done += static_cast<size_t>(n);
  }
  return true;
}

// The conversation, from libxl's side.
class Conversation {
 public:
  Conversation(int requests, int replies, const EngineCallbacks& callbacks)
      : requests_(requests), replies_(replies), callbacks_(callbacks) {}

  // Until the child has said how it ended, or is gone.
  void run() {
    uint16_t length = 0;
    while (!completed_ && read_all(requests_, &length, sizeof length)) {
      std::vector<char> bytes(length);
      if (!read_all(requests_, bytes.data(), bytes.size())) break;
      answer(Unpacker(std::move(bytes)));
    }
  }

  bool completed() const { return completed_; }
  int retval() const { return retval_; }
  int os_errno() const { return errno_; }
  const std::string& error() const { return error_; }

 private:
  void answer(Unpacker message) {
    switch (static_cast<Message>(message.get<uint16_t>())) {
      case Message::log: {
        const auto level = message.get<uint32_t>();
        message.get<uint32_t>();
        message.text();
        const std::string text = message.text();
        if (level >= static_cast<uint32_t>(Level::error)) error_ = text;
        break;
      }
      case Message::progress: {
        message.text();
        const std::string what = message.text();
        const auto done = message.get<uint64_t>();
        callbacks_.progress(what, done, message.get<uint64_t>());
        break;
      }
      case Message::suspend:
        reply(callbacks_.suspend() ? 1 : 0);
        break;
      case Message::complete:
        retval_ = message.get<int32_t>();
        errno_ = message.get<int32_t>();
        completed_ = true;
        reply(0);
        break;
      default:
        fail(Errc::internal, "the engine sent a message that makes no sense here");
    }
  }

  void reply(int32_t value) {
    if (write(replies_, &value, sizeof value) != sizeof value) completed_ = false;
  }

  int requests_, replies_;
  const EngineCallbacks& callbacks_;
  bool completed_ = false;
  int retval_ = -1, errno_ = 0;
  std::string error_;
};

Descriptor memory_file(const std::string& contents) {
  Descriptor file(memfd_create("ferry-config", MFD_CLOEXEC));
  if (!file ||
      write(file.get(), contents.data(), contents.size()) !=
          static_cast<ssize_t>(contents.size()) ||
      lseek(file.get(), 0, SEEK_SET) != 0)
    fail_errno(Errc::io, errno, "cannot hand the configuration to the engine");
  return file;
}

// In the child, 0 and 1 are our conversation.
Descriptor events_for_child(Settings& settings) {
  const auto asked_for = settings.find<"events_fd">();
  if (!asked_for) return {};
  Descriptor events(fcntl(static_cast<int>(*asked_for), F_DUPFD_CLOEXEC, 3));
  if (!events) fail_errno(Errc::usage, errno, fmt::format("descriptor {} is not open", *asked_for));
  settings.set<"events_fd">(events.get());
  return events;
}

[[noreturn]] void fail_as_the_child_said(const Conversation& conversation, int status) {
  if (!conversation.error().empty())
    throw Error(conversation.os_errno() == EINTR ? Errc::aborted : Errc::internal,
                conversation.error(), conversation.os_errno());
  if (WIFSIGNALED(status))
    fail(Errc::internal, "the engine was killed by signal {} ({})", WTERMSIG(status),
         strsignal(WTERMSIG(status)));
  fail(Errc::internal, "the engine ended without a word (exit status {})", WEXITSTATUS(status));
}

}  // namespace

std::vector<std::string> environment_of_xl() {
  return {"LIBXL_SAVE_HELPER=" + helper_path(), "FERRY_ENGINE=ferry", "FERRY_ORDER=restore"};
}

std::string helper_path() {
  if (const auto told = find_place<"save_helper">()) return *told;
  const auto self = std::filesystem::read_symlink("/proc/self/exe");
  return (self.parent_path().parent_path() / "bin" / "ferry-save-helper").string();
}

void run_save_engine(domid_t domid, int fd, const EngineOptions& options,
                     const EngineCallbacks& callbacks) {
  Descriptor config = memory_file(options.config);
  Settings settings = options.settings;
  settings.set<"config_fd">(config.get());
  settings.set<"stream">("ferry");  // whatever xl's saves are to be
  settings.set<"engine">("ferry");
  settings.set<"order">(options.migration ? "migrate" : "save");
  std::vector<int> inherit = {fd, config.get()};
  if (options.lock) {
    settings.set<"lock_fd">(*options.lock);
    inherit.push_back(*options.lock);
  }
  if (options.base) {
    settings.set<"base_fd">(*options.base);
    inherit.push_back(*options.base);
  }
  if (options.page_hashes) {
    settings.set<"page_hashes_fd">(*options.page_hashes);
    inherit.push_back(*options.page_hashes);
  }
  Descriptor events = events_for_child(settings);
  if (events) inherit.push_back(events.get());
  // As libxl would call it: live or not, only the suspend callback, a plain stream.
  const std::vector<std::string> arguments = {helper_path(),
                                              "--save-domain",
                                              std::to_string(fd),
                                              "-1",
                                              std::to_string(static_cast<unsigned>(domid)),
                                              options.live ? "1" : "0",
                                              "8",
                                              "0"};
  Child child(arguments, as_environment(settings), inherit);
  config.reset();
  events.reset();
  Conversation conversation(child.output(), child.input(), callbacks);
  {
    const SignalsTo stop(child.pid());
    conversation.run();
  }
  const int status = child.wait();
  if (!conversation.completed() || conversation.retval() != 0 || status != 0)
    fail_as_the_child_said(conversation, status);
}

}  // namespace ferry::host
