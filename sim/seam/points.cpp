// Points at which a test may hold or kill this program.
#include "sim/seam/points.h"

#include <dlfcn.h>

#include <atomic>

#include "sim/machine/step.h"
#include "sim/seam/mappings.h"

namespace ferry::sim {
namespace {

template <typename Function>
Function* find(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_DEFAULT, name));
}

std::atomic<Host*> host_of_program{nullptr};

void die() {
  die_between_steps([] { drop_all_mappings(*host_of_program); });
}

}  // namespace

void reach_point(const char* what) {
  static auto* const reached = find<decltype(ferry_points_reached)>("ferry_points_reached");
  if (reached) reached(what);
}

void tell_points(Host& host) {
  static auto* const dies_by = find<decltype(ferry_points_dies_by)>("ferry_points_dies_by");
  host_of_program = &host;
  if (dies_by) dies_by(die);
}

}  // namespace ferry::sim
