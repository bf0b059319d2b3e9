// What a Linux has in its memory for tools that look at it: VMCOREINFO, its symbols, its log. Put
// into a TestGuest, with structures that are laid out as no Linux has them, so that only who goes
// by what VMCOREINFO says finds anything.
//
//   pfn 300-302  L3, L2, L1 of the kernel's image: pfns 310 to 373 at 0xffffffff81000000
//   pfn 400      VMCOREINFO's note
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/audit/image_builder.h"

namespace ferry::test {

struct FakeRecord {
  uint64_t nanoseconds = 0;
  unsigned facility = 0, level = 6;
  std::string text;
  friend bool operator==(const FakeRecord&, const FakeRecord&) = default;
};

struct FakeProcess {
  uint32_t pid = 0;
  uint32_t parent = 0;  // a pid among them; 0 is init_task
  uint32_t state = 1, exit_state = 0;
  bool kernel = false;
  uint64_t virtual_pages = 0, file_pages = 0, anonymous_pages = 0;
  std::string command = {};
};

class FakeLinux {
 public:
  static constexpr uint64_t kImage = 0xffffffff81000000, kImagePfn = 310, kImagePages = 64;
  static constexpr uint64_t kNotePfn = 400;
  static constexpr uint64_t kDirectMap = 0xffff880000000000;  // of TestGuest

  explicit FakeLinux(TestGuest& guest);

  // A ring of 2^bits records over 2^data_bits bytes of text, which as many records of these were
  // written to as there is room for at its end.
  void put_log(const std::vector<FakeRecord>& records, unsigned bits, unsigned data_bits);
  // A list of tasks and BTF, with counters of pages as Linux had them up to 6.1, or as later.
  void put_processes(const std::vector<FakeProcess>& processes, bool counters_of_6_1);
  // All symbols that were added, as kallsyms has them, and VMCOREINFO over everything.
  void finish();

  // Memory of the kernel's image for so many bytes. Fails if there is none left.
  uint64_t allocate(size_t bytes);
  void write(uint64_t vaddr, const void* from, size_t bytes);
  void write_u64(uint64_t vaddr, uint64_t value) { write(vaddr, &value, sizeof value); }
  void add_symbol(const std::string& name, uint64_t vaddr) { symbols_.emplace_back(name, vaddr); }
  // A line of VMCOREINFO.
  void say(const std::string& line) { text_ += line + "\n"; }
  const std::string& text() const { return text_; }
  // Where the task of this process is, once there are some; init_task is 0.
  uint64_t task_of(uint32_t pid) const { return tasks_.at(pid); }
  uint64_t start_info_variable() const { return start_info_variable_; }

  // Puts a note of VMCOREINFO with this text into a page.
  void put_note(uint64_t pfn, const std::string& text);

 private:
  void put_kallsyms();

  TestGuest& guest_;
  std::string text_;
  std::vector<std::pair<std::string, uint64_t>> symbols_;
  std::map<uint32_t, uint64_t> tasks_;
  uint64_t next_ = kImage, start_info_variable_ = 0;
};

}  // namespace ferry::test
