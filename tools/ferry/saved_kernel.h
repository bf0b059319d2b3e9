// The kernel of a guest, found without symbols.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "evidence/guest_pages.h"
#include "evidence/kernel.h"
#include "proto/image_file.h"
#include "tools/ferry/guest_source.h"

namespace ferry {

class SavedKernel {
 public:
  // Throws Error(unsupported) if it says nothing of itself in the guest's memory.
  explicit SavedKernel(const GuestSource& guest);

  const evidence::VmcoreInfo& info() const { return *info_; }

  // Calls each(thing) for all things that list() visits. A guest that runs may change what is being
  // read, so that it makes no sense: its things are told once they have been read to the end, and
  // read again if need be. Throws what list() throws.
  template <typename Thing, typename List, typename Each>
  void visit(const List& list, const Each& each) {
    if (!guest_.running()) return list(look_->memory, each);
    std::vector<Thing> things;
    again_if_senseless([&] {
      things.clear();
      list(look_->memory, [&](const Thing& thing) { things.push_back(thing); });
    });
    for (const Thing& thing : things) each(thing);
  }

 private:
  // The guest as it was at one time; of one that runs, a page as it was when it was first needed.
  struct Look {
    explicit Look(const GuestSource& guest);
    ImageFile image;
    evidence::GuestPages pages;
    evidence::KernelMemory memory;
  };

  void again_if_senseless(const std::function<void()>& body);
  void find_info();

  const GuestSource& guest_;
  std::unique_ptr<Look> look_;
  std::optional<evidence::VmcoreInfo> info_;
};

}  // namespace ferry
