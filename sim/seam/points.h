// Points at which a test may hold or kill this program: before each call that changes a domain.
//
// A test preloads an object that defines the two functions below (tests/pairs/points.cpp does, and
// adds the calls of the C library that change a file or a socket). Without one there are no points.
#pragma once

#include "sim/machine/host.h"

extern "C" {
// The program is about to do that. May return late, or never.
void ferry_points_reached(const char* what);
// How the program dies without leaving the machine in a state that no host can be in.
void ferry_points_dies_by(void (*die)());
}

namespace ferry::sim {

// No step of the machine is under way in this thread, and it holds no lock of the host.
void reach_point(const char* what);
// This program acts on that host from now on.
void tell_points(Host& host);

}  // namespace ferry::sim
