// Who started this helper, and what becomes of the guest of a save that fails there.
#pragma once

namespace ferry::helper {

enum class Starter {
  resumes,          // xl, and ferry itself
  resumes_nothing,  // libvirt's driver for Xen leaves the guest as it is: suspended
};

// Of the process that started this one, as long as it lives.
Starter starter();

}  // namespace ferry::helper
