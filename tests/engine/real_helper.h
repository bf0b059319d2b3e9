// The program ferry-save-helper itself, over a simulated host in a file.
#pragma once

#include "tests/engine/subjects.h"
#include "tests/sim/libxl_side.h"

namespace ferry::sim {

// A host in a file of its own, gone with the object.
class HostFile {
 public:
  explicit HostFile(const HostConfig& config);
  ~HostFile();
  HostFile(const HostFile&) = delete;
  HostFile& operator=(const HostFile&) = delete;

  Host& host() const { return *host_; }

  // For a child process: the helper and the host that it finds there, and the number of the call at
  // which it is killed, 0 for none.
  // in_front: a library to load before the simulated machine.
  std::vector<std::string> environment(uint64_t dies_at = 0,
                                       const std::string& in_front = {}) const;

 private:
  std::string folder_;
  std::unique_ptr<Host> host_;
};

// The engine of `ferry save` on a host: the helper as a child.
SaveEngine real_engine(const HostFile& file, uint64_t dies_at = 0);

// The helper as xl starts it.
HelperResult xl_save(const HostFile& file, uint32_t domid, int fd, bool live,
                     const LibxlSide& libxl = {}, uint64_t dies_at = 0);
std::vector<std::string> restore_arguments(const RestoreTarget& target, int fd);
// in_front: a library to load; more: of its environment.
HelperResult xl_restore(const HostFile& file, const RestoreTarget& target, int fd,
                        const std::string& in_front = {},
                        const std::vector<std::string>& more = {});

}  // namespace ferry::sim
