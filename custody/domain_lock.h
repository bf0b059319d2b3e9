// One at a time is responsible for a domain, whoever it is and whichever process does the work.
#pragma once

#include <functional>
#include <optional>

#include "files/file_lock.h"
#include "p2m/frames.h"

namespace ferry {

// A file of run_directory(). It is held until every process that has its descriptor is gone, so one
// that starts a child for the work hands it on, and neither's death frees the domain while the
// other still works on it.
class DomainLock {
 public:
  // Throws Error(busy) if somebody holds it.
  explicit DomainLock(domid_t domid);
  // Of whoever started this process, who handed it the descriptor. Throws Error(io).
  static DomainLock adopt(domid_t domid, int fd);
  // The same, for a process that holds it from now on instead, and removes the file.
  static DomainLock keep(domid_t domid, int fd);
  static std::optional<DomainLock> try_take(domid_t domid);
  // Until it is free; looks every now and then whether it is still wanted, and otherwise throws
  // Error(aborted).
  static DomainLock wait_for(domid_t domid, const std::function<bool()>& wanted);

  int descriptor() const { return lock_.descriptor(); }
  void hand_on() { lock_.hand_on(); }

 private:
  explicit DomainLock(FileLock lock) : lock_(std::move(lock)) {}

  FileLock lock_;
};

}  // namespace ferry
