// The guests of this host.
#include "evacuate/guests_here.h"

#include <algorithm>

#include "error/error.h"
#include "host/check_guest.h"
#include "migrate/guest_names.h"
#include "migrate/open_job.h"

namespace ferry::evacuate {
namespace {

constexpr domid_t kDomain0{0};

// What another host would be asked in vain.
void look_over(const Hypervisor& xen, Lifecycle& life, const DomainInfo& info, LocalGuest& guest) {
  try {
    check_name(guest.name);
    refuse_claimed(xen, info);
    const host::CheckResult checked =
        host::check_guest(xen, life, std::to_string(raw(guest.domid)));
    guest.stays = checked.blockers;
    if (!info.suspended || checked.under_way) return;  // what else is, refuse_claimed() has named
    guest.stays.push_back(host::suspended_by_broken_save(info));
    guest.needs_operator = true;
  } catch (const Error& e) {
    guest.stays.emplace_back(e.what());
    guest.needs_operator = e.code() == Errc::needs_operator;
  }
}

}  // namespace

std::vector<LocalGuest> guests_here(const Hypervisor& xen, Lifecycle& life,
                                    const std::vector<std::string>& names_left_out) {
  std::vector<domid_t> left_out;
  for (const std::string& name : names_left_out) left_out.push_back(life.find(name));
  std::vector<LocalGuest> guests;
  for (const DomainInfo& info : list_domains(xen)) {
    if (info.dying) continue;
    LocalGuest guest{info.domid, info.uuid, life.name(info.domid), info.nr_pages * kPageSize};
    if (guest.name.empty()) guest.name = fmt::format("(domain {})", raw(info.domid));
    if (info.domid == kDomain0) {
      guest.meant_to_stay = true;
      guest.stays.emplace_back("it is this host's own");
    } else if (std::find(left_out.begin(), left_out.end(), info.domid) != left_out.end()) {
      guest.meant_to_stay = true;
      guest.stays.emplace_back("it was left out");
    } else {
      look_over(xen, life, info, guest);
    }
    guests.push_back(std::move(guest));
  }
  return guests;
}

}  // namespace ferry::evacuate
