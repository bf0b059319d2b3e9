// The kernel's console: lines into the ring that xenconsoled reads.
#pragma once

#include <stdint.h>

namespace ferry::kernel {

struct hex {
  uint64_t value;
};

void put(const char* text);
void put(uint64_t number);
void put(hex number);
inline void put(unsigned number) {
  put(uint64_t{number});
}

// Lines of several vCPUs do not mix.
void begin_line();
void end_line();

// One line: say("page ", hex{pfn}, " is gone").
template <typename... Parts>
void say(const Parts&... parts) {
  begin_line();
  (put(parts), ...);
  end_line();
}

// Something is wrong with the guest's memory: says so in a line that the tests look for, and
// counts.
template <typename... Parts>
void complain(const Parts&... parts);
uint64_t complaints();

// ring: the page that start_info names; port: its event channel, another one after a resume.
void set_console(void* ring, uint32_t port);
void set_console_port(uint32_t port);

// What no kernel survives: says so and has Xen end the domain.
[[noreturn]] void bug(const char* sentence);

void count_complaint();
template <typename... Parts>
void complain(const Parts&... parts) {
  count_complaint();
  say("CORRUPT ", parts...);
}

}  // namespace ferry::kernel
