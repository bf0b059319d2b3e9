// The hypervisor as the rule cases see it: bare hypercalls through libxencall and mappings through
// libxenforeignmemory, so that nothing stands between a case and Xen's answer.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

extern "C" {
#include <xenctrl.h>

#include <xen/domctl.h>
#include <xen/event_channel.h>
#include <xen/grant_table.h>
#include <xen/memory.h>
#include <xen/sched.h>
#include <xencall.h>
#include <xenforeignmemory.h>
}

namespace conformance {

// Whether a call failed, and how: 0, or an errno.
struct Outcome {
  long value;
  int os_errno;
};

// Memory that Xen may read and write during a hypercall.
template <typename T>
class Shared {
 public:
  Shared(xencall_handle* handle, size_t count) : handle_(handle) {
    p_ = static_cast<T*>(xencall_alloc_buffer(handle, (count ? count : 1) * sizeof(T)));
    if (p_) __builtin_memset(static_cast<void*>(p_), 0, (count ? count : 1) * sizeof(T));
  }
  ~Shared() { xencall_free_buffer(handle_, p_); }
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;
  T* get() { return p_; }
  T& operator[](size_t i) { return p_[i]; }
  T& operator*() { return *p_; }
  T* operator->() { return p_; }
  uint64_t address() const { return reinterpret_cast<uint64_t>(p_); }

 private:
  xencall_handle* handle_;
  T* p_;
};

class Xen {
 public:
  Xen();
  ~Xen();
  Xen(const Xen&) = delete;
  Xen& operator=(const Xen&) = delete;
  bool open() const { return calls_ && memory_; }

  xencall_handle* calls() { return calls_; }
  xenforeignmemory_handle* memory() { return memory_; }

  Outcome domctl(uint32_t cmd, uint32_t domid, xen_domctl& op);
  Outcome memory_op(uint32_t cmd, void* arg, size_t bytes);
  Outcome mmuext(uint32_t domid, std::vector<mmuext_op_t> ops, unsigned* done = nullptr);
  Outcome mmu_update(uint32_t foreign, std::vector<mmu_update_t> requests,
                     unsigned* done = nullptr);

  // populate (by default), increase or decrease; the extents come back changed as Xen changed them.
  Outcome reservation(uint32_t cmd, uint32_t domid, std::vector<xen_pfn_t>& extents,
                      unsigned order = 0);

  // Xen's M2P entry of a frame, read through a mapping of the table.
  uint64_t m2p(uint64_t mfn);

  // A case's line: name, value and errno. Values that differ from host to host are not for here.
  void report(const std::string& name, const Outcome& outcome);
  void report(const std::string& name, uint64_t value);
  unsigned lines() const { return lines_; }

 private:
  xencall_handle* calls_;
  xenforeignmemory_handle* memory_;
  unsigned lines_ = 0;
};

// One mapping of frames of a domain; unmapped at its end.
class Mapped {
 public:
  Mapped(Xen& xen, uint32_t domid, std::vector<xen_pfn_t> frames, int prot);
  ~Mapped() { drop(); }
  Mapped(const Mapped&) = delete;
  Mapped& operator=(const Mapped&) = delete;
  void drop();
  // Of the first page: 0, or the errno that Xen gave.
  Outcome outcome() const { return {error_ ? -1 : 0, error_}; }
  uint64_t* words() { return static_cast<uint64_t*>(address_); }

 private:
  Xen& xen_;
  size_t pages_;
  void* address_ = nullptr;
  int error_ = 0;
};

// A domain that never runs, with a few pages; destroyed at its end.
class Scratch {
 public:
  explicit Scratch(Xen& xen, unsigned pages = 16, unsigned vcpus = 1);
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  uint32_t id() const { return domid_; }
  uint64_t mfn(unsigned page) const { return mfns_[page]; }
  // Replaces a page's content: all zero, then these entries.
  struct At {
    unsigned slot;
    uint64_t value;
  };
  void write(unsigned page, std::vector<At> entries = {});
  uint64_t read(unsigned page, unsigned slot);
  // An entry that names one of the pages.
  uint64_t to(unsigned page, uint64_t flags) const { return mfns_[page] << 12 | flags; }

  Outcome pin(unsigned level, unsigned page);
  Outcome pin_mfn(unsigned level, uint64_t mfn);
  Outcome unpin(unsigned page);
  // One mmu_update of an entry of one of the pages, both owners being the domain.
  Outcome update(unsigned page, unsigned slot, uint64_t value, unsigned subtype = 0);
  // Type field (4 bits) that getpageframeinfo3 gives.
  uint64_t type(unsigned page) { return type_of_mfn(mfns_[page]); }
  uint64_t type_of_mfn(uint64_t mfn);
  xen_domctl_getdomaininfo info();
  Outcome decrease(unsigned page);
  // A context that can be loaded: kernel mode, cr3 on that page, nothing else.
  vcpu_guest_context_t context(unsigned l4);
  Outcome set_context(const vcpu_guest_context_t& context, unsigned vcpu = 0);

  // The entries' flags of a page table that is fine at every level.
  static constexpr uint64_t kTable = 0x67;  // present, writable, user, accessed, dirty
  static constexpr uint64_t kReadOnly = 0x65;
  // Makes pages 0..3 an L4, L3, L2 and L1 that belong together, all empty but for the links.
  void chain();

 private:
  Xen& xen_;
  uint32_t domid_ = 0;
  std::vector<xen_pfn_t> mfns_;
};

// The cases, one function a subject.
void pin_cases(Xen& xen);
void entry_cases(Xen& xen);
void foreign_map_cases(Xen& xen);
void mmu_update_cases(Xen& xen);
void mmuext_cases(Xen& xen);
void context_cases(Xen& xen);
void vcpu_state_cases(Xen& xen);
void memory_cases(Xen& xen);
void domain_cases(Xen& xen);
void host_cases(Xen& xen);

}  // namespace conformance
