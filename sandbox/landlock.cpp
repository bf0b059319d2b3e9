// Landlock by system call: Debian's C library has no functions for it.
//
// What a ruleset can forbid grows with the ABI version; the kernel takes a longer attribute than it
// knows as long as what it does not know is zero (Linux, include/uapi/linux/landlock.h):
//
//   1   rights to files, bits 0 to 12      4   TCP: bind, connect
//   2   bit 13, other folders              5   bit 15, ioctl of devices
//   3   bit 14, truncate                   6   abstract sockets and signals to others
#include "sandbox/landlock.h"

#include <linux/landlock.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>

#include "io/descriptor.h"

namespace ferry::sandbox {
namespace {

// struct landlock_ruleset_attr as ABI 6 has it, which not every header has.
struct Ruleset {
  uint64_t files = 0;
  uint64_t network = 0;
  uint64_t scopes = 0;
};

unsigned abi_of_kernel() {
  const long abi =
      syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  return abi > 0 ? static_cast<unsigned>(abi) : 0;
}

// All that this version can forbid.
Ruleset everything(unsigned abi) {
  Ruleset ruleset;
  ruleset.files = (uint64_t{1} << 13) - 1;
  if (abi >= 2) ruleset.files |= uint64_t{1} << 13;
  if (abi >= 3) ruleset.files |= uint64_t{1} << 14;
  if (abi >= 5) ruleset.files |= uint64_t{1} << 15;
  if (abi >= 4) ruleset.network = 3;
  if (abi >= 6) ruleset.scopes = 3;
  return ruleset;
}

}  // namespace

unsigned forbid_paths() noexcept {
  const unsigned abi = abi_of_kernel();
  if (abi == 0) return 0;
  const Ruleset ruleset = everything(abi);
  const Descriptor rules(
      static_cast<int>(syscall(SYS_landlock_create_ruleset, &ruleset, sizeof(ruleset), 0)));
  // No rule is added: a rule would allow something.
  if (!rules || syscall(SYS_landlock_restrict_self, rules.get(), 0) != 0) return 0;
  return abi;
}

}  // namespace ferry::sandbox
