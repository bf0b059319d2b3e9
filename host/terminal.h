// The terminal that we were started from, lent to a child that may have to ask there.
#pragma once

#include <sys/types.h>

#include "io/descriptor.h"

namespace ferry::host {

// Only one process group at a time may read a terminal: the one in its foreground. Another one is
// stopped when it tries.
class LentTerminal {
 public:
  // Of no use unless we are in the foreground of a terminal.
  LentTerminal();
  ~LentTerminal() { take_back(); }
  LentTerminal(const LentTerminal&) = delete;
  LentTerminal& operator=(const LentTerminal&) = delete;

  // -1: there is none to lend.
  int descriptor() const { return terminal_.get(); }
  // In the child, between fork and exec: its group, which it leads, gets it.
  static void take(int descriptor);
  // Ours again. From any thread, as often as wanted.
  void take_back() const;

 private:
  Descriptor terminal_;
};

}  // namespace ferry::host
