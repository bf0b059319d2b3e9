// Whole commands over simulated hosts: `ferry save` and `ferry resume` with all their recovery, the
// commands that their sentences name, and a restore into a new domain.
#pragma once

#include <string>
#include <vector>

#include "custody/save_guest.h"
#include "sim/builder/guest_view.h"
#include "sim_toolstack/restore_guest.h"
#include "tests/engine/sim_engine.h"

namespace ferry::sim {

// A folder for images, locks and notes (FERRY_RUN_DIR) of this process, and one for what a host
// keeps (FERRY_STATE_DIR), in memory where that can be had, and gone with the object.
class Workplace {
 public:
  Workplace();
  ~Workplace();
  Workplace(const Workplace&) = delete;
  Workplace& operator=(const Workplace&) = delete;

  std::string image() const { return folder_ + "/image"; }
  bool has_image() const;
  Bytes read_image() const;
  // Removes the image, and sockets of programs that were killed, at which nobody listens; false if
  // anything else is left: a lock, a note, half a file. A helper's keeper of a lock, whose guest
  // has run again, may take a moment to notice.
  bool clear();

 private:
  std::string kept() const { return folder_ + ".kept"; }

  std::string folder_;
};

// What xenstore would know of it.
void name_domain(Host& host, uint32_t domid, const std::string& name);

// Builds a guest that runs under that name.
ScratchGuest build_running_guest(Host& host, GuestSpec spec, const std::string& name);

// Whether the domain is there and its vCPUs may run.
bool runs(Host& host, uint32_t domid);
bool exists(Host& host, uint32_t domid);

// How a command ended.
struct Ended : Outcome {
  int exit_status() const { return error ? static_cast<int>(exit_code(*error)) : 0; }
  // Calls that failed after the engine had ended: in letting the guest go or giving it back.
  uint64_t failures_in_recovery = 0;
};

struct SaveRun {
  SaveRequest request;
  GuestHooks guests;
  SaveOptions engine;                   // what the request does not say
  SaveEngine instead;                   // of the engine in this process, if set
  uint64_t image_limit = ~uint64_t{0};  // bytes, as on a disk that is full then
  std::function<void()> engine_ended;   // before the guest is let go or given back
};
// `ferry save NAME FILE`.
Ended run_save(Host& host, Executor& executor, const SaveRun& run);

// What a sentence tells the operator to do, command by command: "ferry resume 3", "xl destroy 3".
std::vector<std::string> commands_named(const std::string& sentence);
// Does one of them.
Ended run_named(Host& host, const std::string& command, const GuestHooks& guests);

// What `xl restore` does, with the guest running afterwards.
struct RestoreEnded : Ended {
  RestoredGuest guest;
};
RestoreEnded run_restore(Host& host, const std::string& config, std::span<const std::byte> image,
                         Executor& executor, const GuestHooks& guests);

// Lifecycle::config_json() of a domain, for the restore.
std::string config_of(Host& host, uint32_t domid);

// The guest as it was, its suspension cancelled or not: vCPU 0's result of the suspend hypercall is
// left out.
GuestView without_suspend_result(GuestView view);

}  // namespace ferry::sim
