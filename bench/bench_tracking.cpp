// Content tracking: how fast a guest is looked over for changed pages, beside how fast the same
// memory can be read and hashed at all on this machine at this moment.
//
//   bench_tracking [MIB [THREADS]]      size of the simulated guest (512), threads (all)
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "canonicalize/p2m_leaf.h"
#include "canonicalize/table.h"
#include "save/live/content_hash.h"
#include "save/live/scan.h"
#include "sim/builder/guest_builder.h"
#include "sim/seam/binding.h"

namespace ferry {
namespace {

constexpr int kRepeats = 7;

// Seconds of the fastest of several runs: others use this machine too.
template <typename Body>
double best(Body body) {
  double best = 1e9;
  for (int i = 0; i < kRepeats; ++i) {
    const auto start = std::chrono::steady_clock::now();
    body();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    best = std::min(best, took.count());
  }
  return best;
}

// The pages shared out among threads, page(i) for each.
template <typename PageWork>
void on_threads(unsigned threads, size_t pages, PageWork page) {
  std::vector<std::thread> running;
  for (unsigned t = 0; t < threads; ++t)
    running.emplace_back([=] {
      for (size_t i = pages * t / threads; i < pages * (t + 1) / threads; ++i) page(i);
    });
  for (std::thread& thread : running) thread.join();
}

uint64_t sum_of(const std::byte* page) {
  // Several sums at once, so that memory is what limits, not the adding.
  using Lanes = uint64_t __attribute__((vector_size(64)));
  Lanes sums[4] = {};
  for (size_t at = 0; at < kPageSize; at += sizeof sums)
    for (size_t i = 0; i < 4; ++i) {
      Lanes lanes;
      std::memcpy(&lanes, page + at + i * sizeof lanes, sizeof lanes);
      sums[i] += lanes;
    }
  const Lanes all = (sums[0] + sums[1]) + (sums[2] + sums[3]);
  uint64_t sum = 0;
  for (size_t i = 0; i < 8; ++i) sum += all[i];
  return sum;
}

// A guest all of whose pages have been sent, as a live save leaves it behind.
class SentGuest {
 public:
  SentGuest(const Hypervisor& xen, domid_t domid)
      : xen_(xen),
        domid_(domid),
        view_(std::make_shared<const GuestView>(xen, get_domain(xen, domid))),
        states_(view_->nr_pfns()),
        tracking_(make_content_tracking(xen, domid, states_)) {
    for (uint64_t n = 0; n < view_->nr_pfns(); ++n) send(pfn_t(n));
  }

  size_t pages() const { return frames_.size(); }
  size_t tables() const { return tables_; }
  PageStates& states() { return states_; }

  void read_types() const {
    std::vector<PageType> types;
    for (size_t i = 0; i < frames_.size(); i += kMaxTypeBatch)
      get_page_types(xen_, domid_,
                     std::span(frames_).subspan(i, std::min(kMaxTypeBatch, frames_.size() - i)),
                     types);
  }

  // From here on the last look has to ask what the entries of tables mean.
  void move_a_frame() {
    const mfn_t first = frames_.front();
    for (uint64_t n = 0; n < states_.nr_pfns(); ++n) {
      if (!states_.has_frame(pfn_t(n), first)) continue;
      const v1::PageKind kind = states_.kind(pfn_t(n));
      states_.sent(pfn_t(n), first + 1, kind);
      states_.sent(pfn_t(n), first, kind);
      return;
    }
  }

  uint64_t look(Executor& executor, bool last) {
    ScanContext context{xen_, domid_, executor, states_, *tracking_, [] {}};
    return scan(context, view_, last).changed;
  }

 private:
  void send(pfn_t pfn) {
    mfn_t mfn;
    if (!view_->frame_of(pfn, mfn)) {
      states_.absent(pfn);
      return;
    }
    std::vector<PageType> types;
    get_page_types(xen_, domid_, {&mfn, 1}, types);
    const ForeignMapping mapping(xen_, domid_, PROT_READ, {&mfn, 1}, "a page");
    const auto kind = types[0] != kTypeNone ? static_cast<v1::PageKind>(types[0])
                      : view_->is_leaf(pfn) ? v1::P2M_LEAF
                                            : v1::DATA;
    alignas(64) std::byte copy[kPageSize];
    std::memcpy(copy, mapping.page(0), sizeof copy);
    tracking_->copied(pfn, copy);
    canonicalize(kind, *reinterpret_cast<table_page*>(copy));
    tracking_->sent(pfn, kind, copy);
    states_.sent(pfn, mfn, kind);
    tables_ += kind != v1::DATA;
    frames_.push_back(mfn);
  }

  void canonicalize(v1::PageKind kind, table_page& page) const {
    bool ok = true;
    pt_level level = PT_PTE;
    if (kind == v1::P2M_LEAF)
      ok = canonicalize_p2m_leaf(page, page, *view_).ok();
    else if (pt_level_of(static_cast<unsigned>(table_level(kind)), level))
      ok = canonicalize_table(level, page, page, *view_).ok();
    if (!ok) fail(Errc::internal, "a table of the simulated guest makes no sense");
  }

  const Hypervisor& xen_;
  const domid_t domid_;
  std::shared_ptr<const GuestView> view_;
  PageStates states_;
  std::unique_ptr<Tracking> tracking_;
  std::vector<mfn_t> frames_;
  size_t tables_ = 0;
};

void line(const char* what, double seconds, size_t pages) {
  const double bytes = static_cast<double>(pages * kPageSize);
  fmt::print("{:<44} {:8.2f} ms {:8.2f} GB/s {:8.1f} ms per GiB\n", what, seconds * 1e3,
             bytes / seconds / 1e9, seconds * 1e3 / (bytes / (1 << 30)));
}

void run(uint64_t mib, unsigned threads) {
  const uint64_t pages = mib << 8;
  auto host =
      sim::Host::create({.frames = pages + 8192, .frame_order = sim::FrameOrder::contiguous});
  sim::GuestSpec spec;
  spec.pages = pages;
  spec.ballooned_percent = 0;
  spec.zero_percent = 0;
  spec.processes = 64;
  const sim::ScratchGuest built = sim::build_guest(*host, spec);
  sim::bind_process(host.get());
  const Hypervisor xen;
  SentGuest guest(xen, domid_t{built.domid});
  auto executor = make_thread_executor(threads);

  std::vector<std::byte> memory(guest.pages() * kPageSize);
  for (size_t i = 0; i < memory.size(); i += 64) memory[i] = static_cast<std::byte>(i >> 6);
  const PageHasher hasher;
  std::atomic<uint64_t> sink{0};
  const auto page = [&](size_t i) { return memory.data() + i * kPageSize; };

  fmt::print("a guest of {} MiB, {} page tables and p2m leaves, {} threads; best of {}\n", mib,
             guest.tables(), threads, kRepeats);
  const double read = best([&] {
    on_threads(threads, guest.pages(), [&](size_t i) {
      if (sum_of(page(i)) == 1) sink.fetch_add(1, std::memory_order_relaxed);
    });
  });
  const double hash = best([&] {
    on_threads(threads, guest.pages(), [&](size_t i) {
      if (hasher.of(page(i)).low == 1) sink.fetch_add(1, std::memory_order_relaxed);
    });
  });
  const double types = best([&] { guest.read_types(); });
  if (guest.look(*executor, false) != 0) fail(Errc::internal, "pages changed that nobody wrote");
  const double looked = best([&] { guest.look(*executor, false); });
  const double last = best([&] { guest.look(*executor, true); });
  guest.move_a_frame();
  if (guest.look(*executor, true) != 0) fail(Errc::internal, "a table seems to mean another thing");
  const double meaning = best([&] { guest.look(*executor, true); });
  line("reading memory", read, guest.pages());
  line("XXH3-128 of memory", hash, guest.pages());
  line("types alone (of the simulated machine)", types, guest.pages());
  line("scan: p2m, types and hashes", looked, guest.pages());
  line("canonicalizing all tables again, of their own", std::max(meaning - last, 1e-9),
       guest.tables());
  fmt::print("the scan reaches {:.0f} % of the slower of reading and hashing\n",
             100 * std::max(read, hash) / looked);
}

}  // namespace
}  // namespace ferry

int main(int argc, char** argv) {
  const auto mib = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 512;
  const auto threads =
      argc > 2 ? std::strtoul(argv[2], nullptr, 10) : std::thread::hardware_concurrency();
  try {
    ferry::run(std::max(mib, 32ull), static_cast<unsigned>(std::max(threads, 1ul)));
  } catch (const ferry::Error& e) {
    fmt::print(stderr, "bench_tracking: {}\n", e.what());
    return 1;
  }
  return 0;
}
