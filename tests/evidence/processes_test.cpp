// The processes of a guest, from lists and structures that are sound and that are not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "error/error.h"
#include "evidence/kernel.h"
#include "evidence/processes.h"
#include "evidence/vcpus.h"
#include "pipeline/inline_executor.h"
#include "tests/audit/audit_image.h"
#include "tests/audit/corruption.h"
#include "tests/evidence/fake_linux.h"

namespace ferry::test {
namespace {

using evidence::Process;
using testing::HasSubstr;

std::vector<Process> processes_of(const TestGuest& guest) {
  const MemoryFile file(build(guest));
  const ImageFile image = ImageFile::open(file.path());
  const evidence::GuestPages pages(image);
  evidence::KernelMemory memory(pages, evidence::kernel_root(evidence::read_vcpus(image)));
  InlineExecutor executor;
  const auto info = evidence::find_kernels_own(pages, memory, executor);
  if (!info) fail(Errc::unsupported, "nothing");
  std::vector<Process> processes;
  evidence::each_process(memory, *info,
                         [&](const Process& process) { processes.push_back(process); });
  return processes;
}

const std::vector<FakeProcess> kSome = {
    {.pid = 1, .virtual_pages = 500, .file_pages = 30, .anonymous_pages = 12, .command = "init"},
    {.pid = 2, .state = 0x402, .kernel = true, .command = "kthreadd"},
    {.pid = 77, .parent = 1, .state = 0, .virtual_pages = 9, .command = "sixteen letters!"},
    {.pid = 78, .parent = 77, .state = 0x8000, .command = "\x1b[2J"},
    {.pid = 79, .parent = 77, .state = 0x80, .exit_state = 0x20, .command = "gone"}};

TEST(Processes, are_those_of_the_kernels_list) {
  for (const bool counters_of_6_1 : {true, false}) {
    TestGuest guest;
    FakeLinux kernel(guest);
    kernel.put_processes(kSome, counters_of_6_1);
    kernel.finish();
    const auto processes = processes_of(guest);
    ASSERT_EQ(processes.size(), kSome.size());
    for (size_t i = 0; i < kSome.size(); ++i) {
      EXPECT_EQ(processes[i].pid, kSome[i].pid);
      EXPECT_EQ(processes[i].parent, kSome[i].parent);
      EXPECT_EQ(processes[i].kernel, kSome[i].kernel);
      EXPECT_EQ(processes[i].command, kSome[i].command);
      EXPECT_EQ(processes[i].virtual_pages, kSome[i].virtual_pages);
      EXPECT_EQ(processes[i].resident_pages, kSome[i].file_pages + kSome[i].anonymous_pages);
      EXPECT_EQ(processes[i].state, "SIRFZ"[i]);
    }
  }
}

TEST(Processes, are_none_of_a_kernel_that_does_not_say_enough) {
  TestGuest guest;
  FakeLinux kernel(guest);
  kernel.finish();
  try {
    processes_of(guest);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::unsupported);
    EXPECT_THAT(error.what(), HasSubstr("no BTF"));
  }
}

// A list that goes round without coming back to where it began.
TEST(Processes, end_where_the_list_does_not) {
  TestGuest guest;
  FakeLinux kernel(guest);
  kernel.put_processes(kSome, false);
  kernel.finish();
  kernel.write_u64(kernel.task_of(79) + 56, kernel.task_of(2) + 56);
  try {
    processes_of(guest);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::bad_image);
    EXPECT_THAT(error.what(), HasSubstr("does not end"));
  }
}

TEST(Processes, end_for_memory_that_makes_no_sense) {
  unsigned read = 0, refused = 0;
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    Random random(seed);
    TestGuest guest;
    FakeLinux kernel(guest);
    kernel.put_processes(kSome, seed % 2 == 0);
    kernel.finish();
    for (unsigned i = 0; i < 1 + seed % 20; ++i) {
      uint64_t& word = guest.page(FakeLinux::kImagePfn + random() % 3).words[random() % 512];
      word = random() % 3 == 0   ? random()
             : random() % 2 == 0 ? word ^ uint64_t { 1 } << random() % 64
                                 : FakeLinux::kImage + random() % 0x3000;
    }
    try {
      processes_of(guest);
      ++read;
    } catch (const Error&) {
      ++refused;
    }
  }
  EXPECT_GT(read, 20u);
  EXPECT_GT(refused, 20u);
}

}  // namespace
}  // namespace ferry::test
