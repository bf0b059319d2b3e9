// The sentences of a guest that needs the operator.
#include "xen/lifecycle.h"

#include "error/error.h"

namespace ferry {

domid_t Lifecycle::find(const std::string& name_or_id) {
  if (const auto domid = find_if_there(name_or_id)) return *domid;
  fail(Errc::no_domain, "there is no domain \"{}\"; xl list shows those there are", name_or_id);
}

void fail_to_resume(domid_t domid, std::string_view why) {
  const auto id = static_cast<uint32_t>(domid);
  fail(Errc::needs_operator,
       "domain {} is suspended and could not be resumed ({}); try: ferry resume {}", id, why, id);
}

void fail_to_pause(domid_t domid, std::string_view why) {
  const auto id = static_cast<uint32_t>(domid);
  fail(Errc::needs_operator,
       "domain {} is saved and suspended and could not be paused ({}); try: xl pause {} && ferry "
       "resume {}",
       id, why, id, id);
}

void fail_to_destroy(domid_t domid, std::string_view why) {
  const auto id = static_cast<uint32_t>(domid);
  fail(Errc::needs_operator,
       "domain {} is saved and suspended but could not be destroyed ({}); try: xl destroy {}", id,
       why, id);
}

}  // namespace ferry
