// The life of a domain: names, configuration, suspend, resume, destroy. The memory engine never
// sees this. On a host it is libxl's (xen/libxl_lifecycle.h); over a simulated machine it is
// sim_toolstack/lifecycle.h. What saves or resumes a guest without losing it
// (custody/save_guest.h, custody/resume_guest.h) is written against this interface, and so is
// the same on both.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "p2m/frames.h"

namespace ferry {

// A domain as its toolstack sees it.
struct DomainHere {
  domid_t domid{};
  std::string name;
  bool paused = false;       // by the toolstack: its vCPUs do not run
  bool ended = false;        // suspended or shut down: it does not run either
  uint64_t cpu_time_ns = 0;  // of all its vCPUs since it was made

  bool runs() const { return !paused && !ended; }
};

// What a guest has left in xenstore of a request to suspend. One that was restored, or whose kernel
// is old, may be silent and suspend all the same.
enum class SuspendWord {
  can,
  cannot,  // it says what else it can be asked for
  silent,
};

// What brings back a guest that was asked to suspend. libxl does it, or, where libxl is gone,
// xen/suspend_request.h.
class SuspendUndo {
 public:
  virtual ~SuspendUndo() = default;

  // Of a guest that has not suspended: takes the request back, or, if the guest has taken it, waits
  // until the guest has suspended, a minute at most. False if it may do so later. Throws.
  virtual bool withdraw_suspend(domid_t domid) = 0;
  // A suspended guest goes on where it was, its suspension cancelled. Throws Error(needs_operator)
  // if it does not.
  virtual void resume(domid_t domid) = 0;
  // Its vCPUs do not run until they are let. Throws Error(internal).
  virtual void pause(domid_t domid) = 0;
};

class Lifecycle : public SuspendUndo {
 public:
  // A name or a number; nothing only if there surely is no such domain. Throws Error(no_xen) if
  // that cannot be told.
  virtual std::optional<domid_t> find_if_there(const std::string& name_or_id) = 0;
  // The same; throws Error(no_domain) too.
  virtual domid_t find(const std::string& name_or_id);
  // Empty for a domain that has none (yet, or any more).
  virtual std::string name(domid_t domid) = 0;

  // All domains with this uuid (16 bytes), dying ones left out: a copy that arrives has that of its
  // source, which may be on this very host. Throws Error(internal) if the toolstack does not
  // answer: that is not "none".
  virtual std::vector<DomainHere> with_uuid(const std::string& uuid) = 0;

  // What would be needed to create it again, as libxl_domain_config_to_json() writes it. Throws.
  virtual std::string config_json(domid_t domid) = 0;

  virtual SuspendWord word_on_suspend(domid_t) { return SuspendWord::can; }
  // Asks the guest and waits until it is suspended. Throws Error(guest); the guest may suspend all
  // the same, now or later.
  virtual void suspend(domid_t domid) = 0;
  // Resumes it, but keeps its vCPUs paused. Throws Error(needs_operator).
  virtual void resume_paused(domid_t domid) = 0;
  // Throws Error(needs_operator).
  virtual void destroy(domid_t domid) = 0;

  // Throw Error(internal); rename also if another domain has the name.
  virtual void rename(domid_t domid, const std::string& name) = 0;
  // Whoever paused it twice has to do this twice.
  virtual void unpause(domid_t domid) = 0;
};

// The sentences of a guest that needs the operator. Each ends with the command that puts it right,
// which works once the reason is gone. Throw Error(needs_operator).
[[noreturn]] void fail_to_resume(domid_t domid, std::string_view why);
[[noreturn]] void fail_to_pause(domid_t domid, std::string_view why);    // of a saved guest
[[noreturn]] void fail_to_destroy(domid_t domid, std::string_view why);  // of a saved guest

}  // namespace ferry
