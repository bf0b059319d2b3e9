// Would Xen take what a vCPU's record says beside its page tables: addresses, LDT, extended state,
// XSAVE area, MSRs?
#pragma once

#include "audit/guest_facts.h"
#include "audit/report.h"

namespace ferry::audit {

// place.vcpu is set in all of them; context has kVcpuContextBytes.
void check_registers(std::span<const std::byte> context, const Place& place, Findings& findings);
// False if the LDT cannot be where the context says.
bool check_ldt(std::span<const std::byte> context, const Place& place, Findings& findings);
void check_extended(const v1::Vcpu& vcpu, const Place& place, Findings& findings);
void check_xsave(const v1::Vcpu& vcpu, const Place& place, const GuestFacts& facts,
                 Findings& findings);
void check_msrs(const v1::Vcpu& vcpu, const Place& place, const CpuFeatures& cpu,
                Findings& findings);

}  // namespace ferry::audit
