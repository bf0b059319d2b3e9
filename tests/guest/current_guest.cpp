// The C entry points of the guest half, built for the test kernel.
#include "tests/guest/current_guest.h"

#include "guest/entry_points.inc"

namespace ferry {
namespace {

guest<current_machine>* current = nullptr;

}  // namespace

guest<current_machine>& current_guest() {
  if (current == nullptr) throw std::logic_error("no current guest");
  return *current;
}
void set_current_guest(guest<current_machine>* g) {
  current = g;
}

}  // namespace ferry
