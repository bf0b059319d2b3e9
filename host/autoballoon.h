// Memory that xl takes from domain 0 when it makes a guest and the host has too little left.
#pragma once

#include <cstdint>
#include <string_view>

#include "xen/hypervisor.h"

namespace ferry::host {

// Whether xl does that: by autoballoon in the text of xl.conf, and, where that says auto or
// nothing, unless Xen's command line gives domain 0 a fixed size (dom0_mem).
bool xl_balloons_domain_0(std::string_view xl_conf, std::string_view xen_command_line);

// How many bytes it can take here. 0 if it does not do that, or if nothing is known of domain 0.
uint64_t bytes_from_domain_0(const Hypervisor& xen);

}  // namespace ferry::host
