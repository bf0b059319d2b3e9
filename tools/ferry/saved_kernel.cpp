// The kernel of a guest, found without symbols.
#include "tools/ferry/saved_kernel.h"

#include <algorithm>
#include <thread>

#include "error/error.h"
#include "evidence/vcpus.h"
#include "pipeline/pipeline.h"

namespace ferry {
namespace {

constexpr unsigned kLooks = 10;  // at a guest that runs

}  // namespace

SavedKernel::Look::Look(const GuestSource& guest)
    : image(guest.open()),
      pages(image),
      memory(pages, evidence::kernel_root(evidence::read_vcpus(image))) {
}

SavedKernel::SavedKernel(const GuestSource& guest)
    : guest_(guest), look_(std::make_unique<Look>(guest)) {
  again_if_senseless([this] { find_info(); });
}

void SavedKernel::find_info() {
  const std::unique_ptr<Executor> executor = make_thread_executor(
      std::clamp(std::thread::hardware_concurrency(), 1u, evidence::kMostThreads));
  info_ = evidence::find_kernels_own(look_->pages, look_->memory, *executor);
  if (!info_)
    fail(Errc::unsupported,
         "{}: no VMCOREINFO was found in the guest's memory, so it is not known what kernel it has "
         "and where its log and its processes are",
         guest_.path());
}

// Error(unsupported) is not: the kernel says the same however often it is asked.
void SavedKernel::again_if_senseless(const std::function<void()>& body) {
  for (unsigned looks = guest_.running() ? kLooks : 1;; --looks) {
    try {
      return body();
    } catch (const Error& error) {
      if (error.code() != Errc::bad_image || looks == 1) throw;
    }
    look_ = std::make_unique<Look>(guest_);
  }
}

}  // namespace ferry
