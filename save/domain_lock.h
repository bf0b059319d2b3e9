// One save of a domain at a time, whoever starts it.
#pragma once

#include <string>

#include "p2m/frames.h"

namespace ferry {

class DomainLock {
 public:
  // Throws Error(busy) if somebody holds it. The directory is /run/ferry, or FERRY_RUN_DIR.
  explicit DomainLock(domid_t domid);
  ~DomainLock();
  DomainLock(const DomainLock&) = delete;
  DomainLock& operator=(const DomainLock&) = delete;

 private:
  std::string path_;
  int fd_ = -1;
};

// /run/ferry or FERRY_RUN_DIR, made (mode 0700) if it is not there. Throws Error(io).
std::string run_directory();

}  // namespace ferry
