// What the toolstack asks of the guest through xenstore. Freestanding-clean.
//
//   toolstack                     control/shutdown                     guest
//   writes "suspend"  ----------> "suspend"  -- its watch fires ---->  reads, and in the same
//   waits for any other value <-- ""         <-----------------------  transaction writes ""
//
// The empty value is the acknowledgement: a guest that gives it has to do what was asked. The watch
// also fires when it is set, and after every resume, with nothing to read.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "guest/abi.h"

namespace ferry {

enum class shutdown_request : uint8_t { none, poweroff, reboot, suspend };

inline constexpr const char* kControlShutdown = "control/shutdown";

// Store, of results as in Linux, a negative error or else:
//   int begin(uint32_t& transaction)
//   int read(uint32_t transaction, const char* path, char* to, size_t room)   length of the value
//   int write(uint32_t transaction, const char* path, const char* value)
//   int end(uint32_t transaction, bool commit)                                -EAGAIN: do it again
// Transaction 0 is none.

// Tells the toolstack what may be asked. It does without if that fails.
template <typename Store>
void advertise_requests(Store& store) {
  static_cast<void>(store.write(0, "control/feature-suspend", "1"));
  static_cast<void>(store.write(0, "control/feature-poweroff", "1"));
  static_cast<void>(store.write(0, "control/feature-reboot", "1"));
}

// Exact match of a value that carries no 0 at its end.
constexpr bool equals(const char* value, size_t length, const char* word) {
  size_t i = 0;
  while (i < length && word[i] != 0 && value[i] == word[i]) ++i;
  return i == length && word[i] == 0;
}

constexpr shutdown_request parse_request(const char* value, size_t length) {
  if (equals(value, length, "poweroff")) return shutdown_request::poweroff;
  if (equals(value, length, "reboot")) return shutdown_request::reboot;
  if (equals(value, length, "suspend")) return shutdown_request::suspend;
  return shutdown_request::none;
}

// Reads and acknowledges a request. busy: one is still being worked on, so this one has to wait,
// not acknowledged, until the watch is looked at again. What this guest cannot do is not
// acknowledged.
template <typename Store>
shutdown_request take_request(Store& store, bool busy) {
  if (busy) return shutdown_request::none;
  for (;;) {
    uint32_t transaction = 0;
    if (store.begin(transaction) < 0) return shutdown_request::none;
    char value[16];
    const int length = store.read(transaction, kControlShutdown, value, sizeof value);
    const shutdown_request request =
        length <= 0 ? shutdown_request::none : parse_request(value, static_cast<size_t>(length));
    if (request == shutdown_request::none || store.write(transaction, kControlShutdown, "") < 0) {
      static_cast<void>(store.end(transaction, false));
      return shutdown_request::none;
    }
    const int result = store.end(transaction, true);
    if (result == 0) return request;
    if (result != -abi::kEagain) return shutdown_request::none;
  }
}

}  // namespace ferry
