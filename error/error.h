// The exception every hosted part of ferry throws, and what it means to the caller of a program.
#pragma once

#include <cerrno>
#include <stdexcept>
#include <string>
#include <string_view>

#include <fmt/format.h>

namespace ferry {

// What went wrong, as far as a program has to tell the cases apart.
enum class Errc {
  usage,           // the command line makes no sense
  bad_image,       // the file or stream is not a sound image
  unsupported,     // a sound request that this version, host or guest cannot do
  no_xen,          // no hypervisor, or not allowed to speak to it
  wrong_xen,       // a hypervisor whose interface version is not the one we were built for
  no_domain,       // the domain does not exist, or not any more
  busy,            // somebody else works on the domain
  guest,           // the guest did not do its part (would not suspend, inconsistent tables)
  no_memory,       // not enough memory on the host, or the domain's limit is too low
  io,              // reading or writing a file, pipe or socket failed
  aborted,         // asked to stop
  internal,        // a hypercall failed in a way nobody foresaw
  needs_operator,  // the guest is neither running nor safely saved without somebody's help
};

// Exit codes of all programs (docs/errors.md).
enum class Exit : int {
  done = 0,
  failed = 1,  // the guest is safe and is where it was
  usage = 2,
  bad_image = 3,
  needs_operator = 4,  // the message says where the guest is and what to do
};

Exit exit_code(Errc code);

// code: for programs; what(): one sentence for people, naming the thing; os_errno: errno or 0.
class Error : public std::runtime_error {
 public:
  Error(Errc code, const std::string& sentence, int os_errno = 0)
      : std::runtime_error(sentence), code_(code), os_errno_(os_errno) {}

  Errc code() const { return code_; }
  int os_errno() const { return os_errno_; }

 private:
  Errc code_;
  int os_errno_;
};

// Throws Error(code, formatted sentence).
template <typename... Args>
[[noreturn]] void fail(Errc code, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(code, fmt::format(format, std::forward<Args>(args)...));
}

// Throws Error(code, "sentence: strerror(os_errno)").
[[noreturn]] void fail_errno(Errc code, int os_errno, std::string_view sentence);

}  // namespace ferry
