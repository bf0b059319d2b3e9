// The kernel of a saved guest, found without symbols.
#include "tools/ferry/saved_kernel.h"

#include <algorithm>
#include <thread>

#include "error/error.h"
#include "evidence/vcpus.h"
#include "pipeline/pipeline.h"

namespace ferry {
namespace {

evidence::VmcoreInfo info_of(const delta::ImageFiles& file, const evidence::GuestPages& pages,
                             evidence::KernelMemory& memory) {
  const std::unique_ptr<Executor> executor = make_thread_executor(
      std::clamp(std::thread::hardware_concurrency(), 1u, evidence::kMostThreads));
  auto info = evidence::kernels_own(memory, evidence::search_vmcoreinfo(pages, *executor));
  if (!info)
    fail(Errc::unsupported,
         "{}: no VMCOREINFO was found in the guest's memory, so it is not known what kernel it has "
         "and where its log and its processes are",
         file.path());
  return std::move(*info);
}

}  // namespace

SavedKernel::SavedKernel(const delta::ImageFiles& file)
    : image(file.open()),
      pages(image),
      memory(pages, evidence::kernel_root(evidence::read_vcpus(image))),
      info(info_of(file, pages, memory)) {
}

}  // namespace ferry
