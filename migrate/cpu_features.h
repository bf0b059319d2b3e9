// What a guest's CPU has and another host's has not.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace ferry {

// CPUID leaves as Xen serialises them, 24 bytes each: what the guest was shown, and the most that
// the host can show a PV guest. A name for each feature that is missing ("avx2", or "CPUID leaf 0x7
// subleaf 0x0 ebx bit 31" for one without a name here); empty: the guest finds all of its features.
// Xen itself does not refuse such a guest: it takes the features away from under it.
std::vector<std::string> missing_cpu_features(std::span<const std::byte> guest,
                                              std::span<const std::byte> host);

// Who made the CPU, as its leaf 0 has it ("GenuineIntel"); empty without that leaf.
std::string cpu_vendor(std::span<const std::byte> leaves);

}  // namespace ferry
