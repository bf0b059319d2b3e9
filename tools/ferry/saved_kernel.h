// The kernel of a saved guest, found without symbols.
#pragma once

#include "delta/image_files.h"
#include "evidence/guest_pages.h"
#include "evidence/kernel.h"
#include "proto/image_file.h"

namespace ferry {

struct SavedKernel {
  // Throws Error(unsupported) if it says nothing of itself in the guest's memory.
  explicit SavedKernel(const delta::ImageFiles& file);

  ImageFile image;
  evidence::GuestPages pages;
  evidence::KernelMemory memory;
  evidence::VmcoreInfo info;
};

}  // namespace ferry
