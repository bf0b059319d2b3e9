// Xen's rules for a guest that runs, asked of Xen: each case is a line of name, value and error.
// The same source runs in this kernel on real Xen and in the simulated one, and both have to say
// the same (tests/conformance).
//
// A case prints nothing that differs from host to host: no frame, port or time.
#pragma once

#include <stdint.h>

#include "guest/guest.h"
#include "guest/xen_guest.h"
#include "kernel/xen_abi.h"

namespace ferry {

// Bits of an entry that are no frame.
inline constexpr uint64_t kNotTheFrame = ~kPteFrameMask;
// Where no guest has anything, whatever its kernel: Xen's own part of the address space.
inline constexpr uint64_t kXensAddress = 0xffff800000000000;
inline constexpr uint64_t kNotCanonical = 0x0000800000000000;
inline constexpr uint64_t kNoSuchMfn = 0xffffffffe;
inline constexpr uint16_t kNoSuchDomain = 30000;

inline const char* error_name(int64_t error) {
  constexpr struct {
    int number;
    const char* name;
  } kNames[] = {{1, "EPERM"},   {2, "ENOENT"},  {3, "ESRCH"},      {6, "ENXIO"},   {7, "E2BIG"},
                {9, "EBADF"},   {11, "EAGAIN"}, {12, "ENOMEM"},    {13, "EACCES"}, {14, "EFAULT"},
                {16, "EBUSY"},  {17, "EEXIST"}, {19, "ENODEV"},    {22, "EINVAL"}, {28, "ENOSPC"},
                {38, "ENOSYS"}, {62, "ETIME"},  {95, "EOPNOTSUPP"}};
  for (const auto& known : kNames)
    if (known.number == error) return known.name;
  return "another";
}

// Sink: line(const char*) takes a case's line. What is made for a case is never given back: whoever
// runs the rules ends afterwards.
template <guest_machine Machine, typename Sink>
class rule_book {
 public:
  // hole: an address of the kernel's with page tables at which nothing is mapped. spare: a vCPU
  // that was never set up.
  rule_book(guest<Machine>& half, Sink& sink, uint64_t hole_va, unsigned spare_vcpu)
      : half_(half), sink_(sink), hole(hole_va), spare(spare_vcpu) {}

  guest<Machine>& half() { return half_; }
  Machine& machine() { return half_.machine; }
  unsigned cases() const { return cases_; }

  // What a hypercall gave: "name value -", or "name -1 ERROR".
  void says(const char* name, int64_t result) {
    begin(name);
    if (result < 0) {
      put("-1 ");
      put(error_name(-result));
    } else {
      put_number(static_cast<uint64_t>(result), 10);
      put(" -");
    }
    end();
  }
  // What there is now.
  void reads(const char* name, uint64_t value) {
    begin(name);
    put("0x");
    put_number(value, 16);
    put(" -");
    end();
  }

  int64_t call(unsigned number, uint64_t a1 = 0, uint64_t a2 = 0, uint64_t a3 = 0,
               uint64_t a4 = 0) {
    return machine().hypercall(number, a1, a2, a3, a4, 0);
  }
  template <typename T>
  static uint64_t address(const T& argument) {
    return reinterpret_cast<uint64_t>(&argument);
  }

  // A page of zeros.
  pfn_t page() {
    pfn_t pfn;
    if (!machine().alloc_page(pfn)) machine().bug("no memory for a rule's case");
    for (unsigned i = 0; i < kEntriesPerTable; ++i) write(pfn, i, 0);
    return pfn;
  }
  uint64_t mfn(pfn_t pfn) { return pfn_to_mfn(pfn.raw()); }
  uint64_t entry(pfn_t pfn, uint64_t flags) { return mfn(pfn) << kPageShift | flags; }
  uint64_t va(pfn_t pfn, unsigned word = 0) { return machine().va_of(pfn) + 8 * word; }
  uint64_t maddr(pfn_t pfn, unsigned slot = 0) { return mfn(pfn) << kPageShift | 8 * slot; }
  uint64_t read(pfn_t pfn, unsigned word) { return machine().load(va(pfn, word)); }
  void write(pfn_t pfn, unsigned word, uint64_t value) { machine().store(va(pfn, word), value); }

  int64_t update(uint64_t maddr, uint64_t value, uint32_t foreign = DOMID_SELF) {
    const mmu_update_t request{maddr, value};
    return call(__HYPERVISOR_mmu_update, address(request), 1, 0, foreign);
  }
  int64_t update_va(uint64_t va, uint64_t value, uint64_t flags = UVMF_INVLPG | UVMF_LOCAL) {
    return call(__HYPERVISOR_update_va_mapping, va, value, flags);
  }
  // How the direct map shows a page; with no flags not at all.
  int64_t remap(pfn_t pfn, uint64_t flags) {
    return update_va(va(pfn), flags == 0 ? 0 : entry(pfn, flags));
  }
  int64_t ext(uint32_t command, uint64_t arg1 = 0, uint64_t arg2 = 0,
              uint32_t foreign = DOMID_SELF) {
    const abi::mmuext_op op{command, 0, arg1, arg2};
    return call(__HYPERVISOR_mmuext_op, address(op), 1, 0, foreign);
  }
  // An empty page table of a level from 1 to 4, pinned and shown read-only.
  pfn_t table(unsigned level) {
    const pfn_t pfn = page();
    remap(pfn, kKernelReadOnly);
    if (ext(MMUEXT_PIN_L1_TABLE + level - 1, mfn(pfn)) != 0)
      machine().bug("an empty page table is refused");
    return pfn;
  }
  uint64_t m2p(uint64_t mfn) {
    uint64_t value = 0;
    return machine().try_load(kM2pVa + 8 * mfn, value) ? value : 0;
  }

 private:
  void begin(const char* name) {
    length_ = 0;
    ++cases_;
    put(name);
    put(" ");
  }
  void end() {
    line_[length_] = 0;
    sink_.line(line_);
  }
  void put(const char* text) {
    while (*text != 0 && length_ < sizeof line_ - 1) line_[length_++] = *text++;
  }
  void put_number(uint64_t number, unsigned base) {
    char digits[20];
    unsigned n = sizeof digits - 1;
    digits[n] = 0;
    do {
      digits[--n] = "0123456789abcdef"[number % base];
      number /= base;
    } while (number != 0);
    put(digits + n);
  }

  guest<Machine>& half_;
  Sink& sink_;
  unsigned cases_ = 0;
  char line_[100];
  unsigned length_ = 0;

 public:
  const uint64_t hole;
  const unsigned spare;
};

}  // namespace ferry
