// A guest that is given away, as the handover wants it.
#include "migrate/guest_here.h"

#include <algorithm>

#include "custody/give_back.h"
#include "custody/suspend_mark.h"
#include "error/error.h"
#include "xen/domain.h"

namespace ferry {

// From here on it is the handover that says who may resume it, and not ferry resume.
void GuestHere::set_aside() {
  const auto domid = find(name_);
  if (!domid) return;
  clear_suspend_mark(*domid);
  life_.rename(*domid, away_name());
}

// Its name comes last: nothing of that may keep it from running.
void GuestHere::resume() {
  const auto away = find(away_name());
  const auto domid = away ? away : find(name_);
  if (domid)
    give_back(xen_, life_, *domid, may_suspend_yet_ || has_suspend_mark(get_domain(xen_, *domid)));
  if (away) life_.rename(*away, name_);
}

void GuestHere::destroy() {
  if (const auto domid = find(away_name())) life_.destroy(*domid);
}

void GuestHere::suspend(domid_t domid) {
  leave_suspend_mark(domid, get_domain(xen_, domid).uuid);  // the engine's note is ours now
  may_suspend_yet_ = true;
  life_.suspend(domid);
  may_suspend_yet_ = false;
}

std::optional<domid_t> GuestHere::find(const std::string& name) const {
  try {
    const domid_t domid = life_.find(name);
    const auto uuid = get_domain(xen_, domid).uuid;
    if (std::equal(uuid.begin(), uuid.end(), uuid_.begin(), uuid_.end(),
                   [](uint8_t a, char b) { return a == static_cast<uint8_t>(b); }))
      return domid;
  } catch (const Error& e) {
    if (e.code() != Errc::no_domain) throw;
  }
  return std::nullopt;
}

}  // namespace ferry
