// One save of a domain at a time, whoever starts it.
#pragma once

#include "files/file_lock.h"
#include "p2m/frames.h"

namespace ferry {

class DomainLock {
 public:
  // Throws Error(busy) if somebody holds it. It is a file of run_directory().
  explicit DomainLock(domid_t domid);

 private:
  FileLock lock_;
};

}  // namespace ferry
