// The helper's end of its conversation with libxl.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "host/messages.h"

namespace ferry::helper {

// Thrown when libxl is not there any more: nobody is left to look after the guest but us.
struct LibxlGone {};

class Channel {
 public:
  // requests: what libxl reads; replies: what it answers with.
  Channel(int requests_fd, int replies_fd) : requests_(requests_fd), replies_(replies_fd) {}

  // Each throws LibxlGone.
  void log(Level level, std::string_view text, int os_errno = -1);
  void progress(std::string_view what, uint64_t done, uint64_t total);
  int suspend();
  int static_data_done(uint32_t missing);
  void restore_results(uint64_t store_mfn, uint64_t console_mfn);
  void complete(int retval, int os_errno);

 private:
  class Packer;
  void send(const std::vector<char>& message);
  int reply();

  int requests_;
  int replies_;
};

}  // namespace ferry::helper
