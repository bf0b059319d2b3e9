// domctl: what the toolstack does to domains; sysctl and xen_version: what it asks about the host.
#pragma once

#include "sim/machine/host.h"

namespace ferry::sim {

long domctl(Host& host, Domain& caller, xen_domctl* op);
long sysctl(Host& host, Domain& caller, xen_sysctl* op);
long xen_version(const Domain& caller, int command, void* arg);

}  // namespace ferry::sim
