// What a Linux has in its memory for tools that look at it: VMCOREINFO, its symbols, its log. Put
// into a TestGuest, with structures that are laid out as no Linux has them, so that only who goes
// by what VMCOREINFO says finds anything.
//
//   pfn 300-302  L3, L2, L1 of the kernel's image: pfns 310 to 373 at 0xffffffff81000000
//   pfn 400      VMCOREINFO's note
#pragma once

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

class FakeLinux {
 public:
  static constexpr uint64_t kImage = 0xffffffff81000000, kImagePfn = 310, kImagePages = 64;
  static constexpr uint64_t kNotePfn = 400;
  static constexpr uint64_t kDirectMap = 0xffff880000000000;  // of TestGuest

  explicit FakeLinux(TestGuest& guest);

  // A ring of 2^bits records over 2^data_bits bytes of text, which as many records of these were
  // written to as there is room for at its end.
  void put_log(const std::vector<FakeRecord>& records, unsigned bits, unsigned data_bits);
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
  uint64_t start_info_variable() const { return start_info_variable_; }

  // Puts a note of VMCOREINFO with this text into a page.
  void put_note(uint64_t pfn, const std::string& text);

 private:
  void put_kallsyms();

  TestGuest& guest_;
  std::string text_;
  std::vector<std::pair<std::string, uint64_t>> symbols_;
  uint64_t next_ = kImage, start_info_variable_ = 0;
};

}  // namespace ferry::test
