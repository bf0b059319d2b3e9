// Every template of the freestanding-clean folders, put to use where there is no C++ library: what
// this file needs from outside is checked by the test freestanding_symbols.
#include "canonicalize/p2m_leaf.h"
#include "canonicalize/table.h"
#include "guest/guest.h"
#include "guest/shutdown_request.h"
#include "p2m/list.h"
#include "p2m/m2p.h"
#include "p2m/published.h"
#include "p2m/tree.h"

namespace {

struct Frames {
  bool pfn_of(ferry::mfn_t mfn, ferry::pfn_t& pfn) const {
    pfn = ferry::pfn_t(mfn.raw() ^ 1);
    return true;
  }
  bool mfn_of(ferry::pfn_t pfn, ferry::mfn_t& mfn) const {
    mfn = ferry::mfn_t(pfn.raw() ^ 1);
    return true;
  }
};

struct Memory {
  const uint64_t* base;
  const uint64_t* frame(ferry::mfn_t mfn) const { return base + 512 * mfn.raw(); }
};

struct Visitor {
  uint64_t sum = 0;
  void leaf(uint64_t, ferry::mfn_t mfn) { sum += mfn.raw(); }
  void table(unsigned level, ferry::mfn_t) { sum += level; }
};

struct Kernel {
  uint64_t next = 100;
  // The compiler shall not know what an address is.
  static volatile uint64_t* at(uint64_t va) {
    asm("" : "+r"(va));
    return reinterpret_cast<volatile uint64_t*>(va);
  }
  uint64_t load(uint64_t va) { return *at(va); }
  void store(uint64_t va, uint64_t value) { *at(va) = value; }
  bool try_load(uint64_t va, uint64_t& value) {
    value = load(va);
    return true;
  }
  bool try_store(uint64_t va, uint64_t value) {
    store(va, value);
    return true;
  }
  uint64_t va_of(ferry::pfn_t pfn) const { return pfn.raw() << 12; }
  ferry::pfn_t pfn_of(uint64_t va) const { return ferry::pfn_t(va >> 12); }
  bool alloc_page(ferry::pfn_t& pfn) {
    pfn = ferry::pfn_t(next++);
    return true;
  }
  void free_page(ferry::pfn_t) {}
  void lock_p2m() {}
  void unlock_p2m() {}
  [[noreturn]] void bug(const char*) { __builtin_trap(); }

  uint64_t l1_entry(uint64_t va) { return load(va); }
  uint64_t l2_entry(uint64_t va) { return load(va); }
  void set_l1_entry(uint64_t va, uint64_t entry) { store(va, entry); }
  void set_l2_entry(uint64_t va, uint64_t entry) { store(va, entry); }
  bool reserve(uint64_t, uint64_t) { return true; }
  void make_l1(ferry::pfn_t) {}
  void unmake_l1(ferry::pfn_t) {}
  ferry::mfn_t root() { return ferry::mfn_t(1); }
};

struct Machine : Kernel {
  static constexpr unsigned kMaxCpus = 2;
  int64_t hypercall(unsigned nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e) {
    return static_cast<int64_t>(nr + a + b + c + d + e);
  }
  bool in_direct_map(uint64_t) const { return true; }
  void store_byte(uint64_t, uint8_t) {}
  ferry::guest_page& page(ferry::pfn_t pfn) { return pages[pfn.raw() & 7]; }
  unsigned this_cpu() const { return 0; }
  bool cpu_online(unsigned) const { return true; }
  uint64_t irq_save() { return 0; }
  void irq_restore(uint64_t) {}
  bool irqs_masked() const { return true; }
  void lock_table(ferry::pfn_t) {}
  void unlock_table(ferry::pfn_t) {}
  void lock_pgds() {}
  void unlock_pgds() {}
  void call_on(unsigned, void (*function)(void*), void* argument) { function(argument); }
  void warn(const char*) {}
  ferry::guest_page pages[8];
};

template <typename P2m>
uint64_t use_p2m(Kernel& kernel, P2m& p2m) {
  uint64_t sum = p2m.init(0x1000, 1000) && p2m.build_lists();
  p2m.publish(0x2000);
  p2m.unpublish();
  p2m.rebuild_lists();
  sum += p2m.set(ferry::pfn_t(5), 6) && p2m.set_identity(ferry::pfn_t(7), ferry::pfn_t(8));
  return sum + ferry::mfn_to_pfn(kernel, p2m, {}, ferry::mfn_t(9));
}

struct Store {
  int begin(uint32_t& transaction) { return static_cast<int>(transaction = 0); }
  int read(uint32_t, const char*, char* to, size_t) {
    to[0] = 's';
    return 1;
  }
  int write(uint32_t, const char*, const char*) { return 0; }
  int end(uint32_t, bool) { return 0; }
};

}  // namespace

// The C entry points work on this guest.
namespace ferry {
using current_machine = Machine;
guest<current_machine>& current_guest();
}  // namespace ferry
#include "guest/entry_points.inc"

namespace ferry {
Machine the_machine;
guest<current_machine>& current_guest() {
  alignas(guest<Machine>) static unsigned char room[sizeof(guest<Machine>)];
  return *reinterpret_cast<guest<Machine>*>(room);
}
}  // namespace ferry

extern "C" uint64_t use_guest() {
  Store store;
  ferry::advertise_requests(store);
  auto& g = ferry::current_guest();
  return g.boot({}) + g.pages.out(ferry::pfn_t(1)) + g.pages.in(ferry::pfn_t(1)) +
         (ferry::take_request(store, false) == ferry::shutdown_request::suspend);
}

extern "C" uint64_t use_writers() {
  Kernel kernel;
  ferry::p2m_tree<Kernel> tree(kernel);
  ferry::p2m_list<Kernel, Kernel> list(kernel, kernel);
  return use_p2m(kernel, tree) + list.build(0x200000, 1000) + use_p2m(kernel, list);
}

extern "C" uint64_t use_canonicalize(int level, uint64_t (&page)[512]) {
  const pt_level l = static_cast<pt_level>(level);
  uint64_t sum = 0;
  sum += static_cast<uint64_t>(ferry::canonicalize_table(l, page, page, Frames{}).fault);
  sum += static_cast<uint64_t>(ferry::visit_table(l, page, [&](unsigned, ferry::pfn_t pfn) {
                                 sum += pfn.raw();
                                 return true;
                               }).fault);
  sum += static_cast<uint64_t>(ferry::localise_table(l, page, page, Frames{}).fault);
  sum += static_cast<uint64_t>(ferry::canonicalize_p2m_leaf(page, page, Frames{}).fault);
  sum += static_cast<uint64_t>(ferry::localise_p2m_leaf(page, page, Frames{}).fault);
  return sum;
}

extern "C" uint64_t use_published(const void* shared_info, const uint64_t* memory) {
  Visitor visitor;
  Memory frames{memory};
  const auto r = ferry::read_published_p2m(ferry::published_p2m_of(shared_info), {.nr_mfns = 1000},
                                           frames, visitor);
  return visitor.sum + r.nr_pfns;
}
