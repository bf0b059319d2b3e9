// A guest that is given away, as the handover wants it.
#pragma once

#include <optional>
#include <string>

#include "handover/source_handover.h"
#include "migrate/job_journal.h"
#include "xen/hypervisor.h"
#include "xen/lifecycle.h"

namespace ferry {

// Set aside it has xl's name for such a domain, and by its name it is told from its copy: that has
// the same uuid, and may be on this very host.
class GuestHere final : public SourceGuest {
 public:
  GuestHere(const Hypervisor& xen, Lifecycle& life, const MigrationJob& job)
      : xen_(xen), life_(life), uuid_(job.uuid), name_(job.name) {}

  bool present() override { return find(away_name()) || find(name_); }
  void set_aside() override;
  void resume() override;
  void destroy() override;

  void suspend(domid_t domid);

 private:
  std::string away_name() const { return name_ + "--migratedaway"; }
  std::optional<domid_t> find(const std::string& name) const;

  const Hypervisor& xen_;
  Lifecycle& life_;
  std::string uuid_, name_;
  bool may_suspend_yet_ = false;
};

}  // namespace ferry
