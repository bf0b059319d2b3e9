// Whether a guest can leave.
#include "custody/leaving.h"

#include "config/json_text.h"
#include "config/judge_config.h"
#include "config/libxl_json.h"
#include "config/memory_target.h"
#include "custody/suspend_mark.h"
#include "error/error.h"
#include "text/printable.h"
#include "text/say.h"

namespace ferry {
namespace {

using Json = nlohmann::ordered_json;

// It may have been shown what holds on one host only, such as an invariant time stamp counter.
void refuse_nomigrate(const Json& config, domid_t domid) {
  if (text_at(config, "/b_info/disable_migrate") == "True")
    fail(Errc::unsupported,
         "domain {} is not to be saved or migrated: its configuration says nomigrate", raw(domid));
}

void check_word(Lifecycle& life, const DomainInfo& domain, Leaving& leaving) {
  if (domain.suspended) return;
  const SuspendWord word = life.word_on_suspend(domain.domid);
  refuse_who_cannot_suspend(word, domain.domid);
  if (word == SuspendWord::silent)
    leaving.notes.emplace_back(
        "it does not say in xenstore whether it can suspend (control/feature-suspend), as Linux "
        "does when it boots: if it does not answer, that takes a minute or two, and it runs on");
}

// An image is of no use that every restore refuses, whoever vouches for it.
void refuse_what_no_restore_takes(const std::string& config) {
  try {
    judge_config(config, Errc::unsupported, "it", usual_trust_places());
  } catch (const Error& e) {
    fail(Errc::unsupported, "no restore would take the guest's configuration as libxl has it: {}",
         e.what());
  }
}

// Only a guest that runs suspends, so it runs for that moment. One that has not run here yet may be
// a copy that another host's toolstack has not given away, or would boot.
void check_paused(const DomainInfo& domain, Leaving& leaving) {
  if (!domain.paused || domain.suspended) return;
  if (domain.cpu_time_ns <= kBookedLateNs)
    fail(Errc::unsupported,
         "domain {} is paused and has not run here since it was made, restored or came: let it run "
         "first, if no other host has it (xl unpause)",
         raw(domain.domid));
  leaving.notes.emplace_back(
      "it is paused: it runs until it has answered the request to suspend, and is paused again");
}

// libxl would limit the new domain to the target, and the guest has no room in it.
void fit_memory(Json& config, const DomainInfo& domain, Leaving& leaving) {
  const uint64_t has_kib = domain.nr_pages * (kPageSize / 1024);
  const auto target_kib = memory_target_kib(config);
  if (!target_kib || has_kib <= *target_kib + kBeyondTargetKib) return;
  set_memory_target(config, has_kib);
  leaving.config = json_text(config, -1);
  leaving.notes.push_back(fmt::format(
      "it has {} MiB of memory, above its target of {} MiB: where it is made again that "
      "is its target, since it could not be restored with less",
      has_kib >> 10, *target_kib >> 10));
}

}  // namespace

// Otherwise it is asked, and nobody hears of it for two minutes.
void refuse_who_cannot_suspend(SuspendWord word, domid_t domid) {
  if (word == SuspendWord::cannot)
    fail(Errc::unsupported,
         "domain {} does not suspend: it says in xenstore what it can be asked for, and that is "
         "not among it (control/feature-suspend)",
         raw(domid));
}

Leaving look_at_leaving(Lifecycle& life, const DomainInfo& domain) {
  Leaving leaving{config_to_save(life.config_json(domain.domid)), {}};
  refuse_what_no_restore_takes(leaving.config);
  Json config = parse_config(leaving.config);
  refuse_nomigrate(config, domain.domid);
  check_word(life, domain, leaving);
  check_paused(domain, leaving);
  fit_memory(config, domain, leaving);
  return leaving;
}

void tell_notes(const std::string& name, const Leaving& leaving) {
  for (const std::string& note : leaving.notes)
    say(fmt::format("ferry: {}: {}\n", printable(name), note));
}

}  // namespace ferry
