// What settings mean to a live save.
#include "host/live_settings.h"

#include "error/error.h"

namespace ferry::host {

PolicyOptions policy_of(const Settings& settings) {
  PolicyOptions policy;
  policy.max_downtime_us = settings.get<"max_downtime">() * 1000;
  policy.max_rounds = static_cast<uint32_t>(settings.get<"max_rounds">());
  policy.deadline_us = settings.get<"deadline">() * 1'000'000;
  policy.on_stall =
      settings.choose<"on_stall">({OnStall::stop, OnStall::keep_going, OnStall::cancel});
  return policy;
}

Track track_of(const Settings& settings) {
  return settings.choose<"track">({Track::automatic, Track::logdirty, Track::content});
}

uint64_t bytes_per_second_of(const Settings& settings) {
  return settings.get<"bandwidth">() << 20;
}

void change(LiveControl& control, std::string_view name, std::string_view value) {
  const Setting* setting = find_setting(name);
  if (!setting || !(setting->commands & kJobSet))
    fail(Errc::usage, "\"{}\" is nothing that can be changed while a save runs", name);
  Settings given;
  given.set(*setting, value, name);
  if (given.find<"bandwidth">()) control.bytes_per_second = bytes_per_second_of(given);
  if (given.find<"max_downtime">()) control.max_downtime_us = policy_of(given).max_downtime_us;
}

}  // namespace ferry::host
