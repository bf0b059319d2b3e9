// The target over what a Linux has in its memory for tools that look at it.
//
//   | page 1 | word 2 | what 1 | value 8 | …     edits of the kernel's pages and VMCOREINFO
#include <cstring>

#include "error/error.h"
#include "evidence/core.h"
#include "evidence/diff.h"
#include "evidence/find.h"
#include "evidence/kernel.h"
#include "evidence/kernel_log.h"
#include "evidence/processes.h"
#include "evidence/vcpus.h"
#include "pipeline/inline_executor.h"
#include "tests/audit/audit_image.h"
#include "tests/evidence/fake_linux.h"
#include "tests/fuzz/core_of.h"
#include "tests/fuzz/targets.h"

namespace ferry::fuzz {
namespace {

using test::FakeLinux;

// A page table, a page of the kernel's image or VMCOREINFO.
test::PageBytes& page_of(test::TestGuest& guest, unsigned which) {
  if (which < 100) return guest.page(FakeLinux::kNotePfn).words;
  if (which < 110) return guest.page(300 + which % 3).words;
  return guest.page(FakeLinux::kImagePfn + which % FakeLinux::kImagePages).words;
}

void edit_kernel(test::TestGuest& guest, std::span<const std::byte, 12> bytes) {
  const auto which = static_cast<unsigned>(bytes[0]);
  const auto index = static_cast<unsigned>(bytes[1]) | static_cast<unsigned>(bytes[2]) << 8;
  uint64_t value;
  std::memcpy(&value, bytes.data() + 4, sizeof value);
  uint64_t& word = page_of(guest, which)[index % 512];
  switch (static_cast<unsigned>(bytes[3]) % 3) {
    case 0:
      word = value;
      break;
    case 1:  // a single byte, as a digit of VMCOREINFO is
      reinterpret_cast<unsigned char*>(&word)[value % 8] = static_cast<unsigned char>(value >> 8);
      break;
    default:  // an address of the kernel
      word = FakeLinux::kImage + value % (FakeLinux::kImagePages * 4096);
  }
}

}  // namespace

void core_of(const ImageFile& image) {
  const test::MemoryFile file{std::span<const std::byte>()};
  InlineExecutor executor;
  evidence::SparseFile sparse(file.fd(), "core");
  evidence::write_core(image, {}, sparse, executor);
  const evidence::GuestPages pages(image);
  evidence::KernelMemory memory(pages, evidence::kernel_root(evidence::read_vcpus(image)));
  evidence::diff_pages(pages, pages, executor, [](const evidence::ChangedPage&) {
    __builtin_trap();  // it is the same
  });
  evidence::diff_records(image, image);
  evidence::diff_vcpus(image, image);
  for (const auto& pattern : {evidence::Pattern::text("Linux"), evidence::Pattern::regex("L.+x")})
    evidence::find(pages, pattern, {}, executor, [](const evidence::Hit&) { return true; });
  const auto info = evidence::find_kernels_own(pages, memory, executor);
  if (!info) return;
  // Each by itself: one may be refused, and the other not.
  try {
    evidence::read_kernel_log(memory, *info, [](const evidence::LogRecord&) {});
  } catch (const Error&) {
  }
  evidence::each_process(memory, *info, [](const evidence::Process&) {});
}

void kernel(Input input) {
  test::TestGuest guest;
  FakeLinux kernel(guest);
  kernel.put_log({{.text = "one"}, {.text = "two"}, {.level = 3, .text = "three\nlines"}}, 3, 10);
  kernel.put_processes({{.pid = 1, .command = "init"}, {.pid = 2, .parent = 1}},
                       input.size() % 2 == 0);
  kernel.finish();
  guest.level = 0;
  guest.pages_per_record = 256;
  for (; input.size() >= 12; input = input.subspan(12)) edit_kernel(guest, input.first<12>());
  try {
    const test::MemoryFile file(test::build(guest));
    core_of(ImageFile::open(file.path()));
  } catch (const Error&) {
    // In a sentence: that is how hostile input should end.
  }
}

}  // namespace ferry::fuzz
