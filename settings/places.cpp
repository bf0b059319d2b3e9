// Where things are on this host.
#include "settings/places.h"

#include "settings/environment.h"

namespace ferry {
namespace {

std::optional<Settings>& told() {
  static std::optional<Settings> settings;
  return settings;
}

}  // namespace

void set_places(const Settings& settings) {
  told() = settings;
}

Settings places() {
  return told() ? *told() : settings_of_environment();
}

}  // namespace ferry
