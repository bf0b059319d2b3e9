// Where things are on this host: the one kind of setting that is the whole process's, as its
// working directory is. What says how a guest is to be saved, sent or received is handed on as a
// value (settings.h) and cannot be had here.
#pragma once

#include "settings/settings.h"

namespace ferry {

// What the program was told about its places, once, before it starts a thread. Until then place()
// goes by the environment.
void set_places(const Settings& settings);

// The settings that place() goes by. Throws Error(usage) if the environment makes no sense.
Settings places();

// Such as place<"run_dir">(). Throws as places() does.
template <SettingName name>
std::string place() {
  static_assert(kSettings[setting_row<name>()].user == User::host, "a setting that is handed on");
  return places().get<name>();
}
// Of one that has no default: what was given.
template <SettingName name>
std::optional<std::string> find_place() {
  static_assert(kSettings[setting_row<name>()].user == User::host, "a setting that is handed on");
  return places().find<name>();
}

}  // namespace ferry
