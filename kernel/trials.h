// Operations of the guest half that the kernel itself does not need, called once each, with a look
// at what they did.
#pragma once

namespace ferry::kernel {

// In their early forms: before there is an allocator.
void try_early_operations();
// In their late forms.
void try_late_operations();
// Does the guest half find the address of a fault?
void try_read_cr2();

}  // namespace ferry::kernel
