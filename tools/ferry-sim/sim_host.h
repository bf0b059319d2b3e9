// A simulated host in a file, and what a command does on it.
#pragma once

#include <memory>
#include <string>

#include "settings/settings.h"
#include "sim/seam/binding.h"
#include "sim_toolstack/kernel_guests.h"
#include "sim_toolstack/lifecycle.h"

namespace ferry::sim {

// The host's memory: more than any guest of a demonstration needs. The file is sparse.
inline constexpr uint64_t kHostFrames = uint64_t{1} << 19;  // 2 GiB

// Locks, notes and jobs go with the host in that file: its domains mean nothing elsewhere. For this
// process, where the settings say nothing else.
void keep_files_beside(const std::string& path, const Settings& settings);

class SimHost {
 public:
  // The host in that file. make: a new one, of so many frames, if there is none; otherwise that is
  // an error.
  SimHost(const std::string& path, bool make, uint64_t frames = kHostFrames);
  // One in memory, gone with the object.
  explicit SimHost(uint64_t seed);

  Host& host() { return *host_; }
  const Hypervisor& xen() const { return *xen_; }
  SimLifecycle& life() { return *life_; }

 private:
  void open();

  std::unique_ptr<Host> host_;
  std::unique_ptr<BindThread> bind_;
  std::unique_ptr<Hypervisor> xen_;
  std::unique_ptr<SimLifecycle> life_;
};

}  // namespace ferry::sim
