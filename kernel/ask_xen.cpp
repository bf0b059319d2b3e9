// Xen's rules, on the console.
#include "kernel/ask_xen.h"

#include "kernel/console.h"
#include "kernel/every_rule.h"
#include "kernel/xen_half.h"

namespace ferry::kernel {
namespace {

struct console_lines {
  void line(const char* text) { say("rule ", text); }
};

}  // namespace

void ask_xen(uint64_t hole, unsigned spare) {
  console_lines lines;
  say("rules asked: ", ask_every_rule(current_guest(), lines, hole, spare));
}

}  // namespace ferry::kernel
