// The CPU policy: whole entries, and what it says of the XSAVE area.
#pragma once

#include "audit/guest_facts.h"
#include "audit/report.h"

namespace ferry::audit {

// Also fills facts.xsave from CPUID leaf 0xd.
void check_cpu_policy(const v1::CpuPolicy& policy, const Place& place, GuestFacts& facts,
                      Findings& findings);

}  // namespace ferry::audit
