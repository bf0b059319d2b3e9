// Foreign mappings: real mappings of the host's memory, page by page, and munmap over them.
//
// libxenguest unmaps foreign mappings with plain munmap(), so this file defines it: it drops the
// references of pages that are foreign mappings and passes everything on to the C library.
#include "sim/seam/mappings.h"

#include <dlfcn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <mutex>

#include "sim/machine/foreign_map.h"
#include "sim/machine/step.h"
#include "sim/seam/usage.h"

namespace ferry::sim {

namespace {

struct Mapping {
  Host* host;
  bool writable;
  std::vector<uint64_t> frames;

  uint64_t bytes() const { return frames.size() << kPageShift; }
};

// Never destroyed: threads may still unmap while the process ends.
struct Table {
  std::mutex mutex;
  std::map<uint64_t, Mapping> by_address;
};
Table& table() {
  static Table* t = new Table;
  return *t;
}

void drop_references(const Mapping& m) {
  m.host->begin_call(CallKind::unmap, 0);
  HostLock lock(*m.host);
  for (const uint64_t frame : m.frames) {
    if (frame == kNoFrame) continue;
    unmap_frame(*m.host, mfn_t(frame), m.writable);
    --usage_counters().mapped_pages;
  }
}

// Takes [from, to) out of the table, cutting mappings in two where it has to.
std::vector<Mapping> take_out(uint64_t from, uint64_t to) {
  std::vector<Mapping> gone;
  Table& t = table();
  std::lock_guard guard(t.mutex);
  auto it = t.by_address.upper_bound(from);
  if (it != t.by_address.begin()) --it;
  while (it != t.by_address.end() && it->first < to) {
    const uint64_t start = it->first, end = start + it->second.bytes();
    if (end <= from) {
      ++it;
      continue;
    }
    Mapping whole = std::move(it->second);
    it = t.by_address.erase(it);
    const auto at = [&](uint64_t address) {
      return whole.frames.begin() + static_cast<ptrdiff_t>((address - start) >> kPageShift);
    };
    const uint64_t cut_from = std::max(from, start), cut_to = std::min(to, end);
    if (start < cut_from)
      t.by_address[start] = {whole.host, whole.writable, {at(start), at(cut_from)}};
    if (cut_to < end) t.by_address[cut_to] = {whole.host, whole.writable, {at(cut_to), at(end)}};
    gone.push_back({whole.host, whole.writable, {at(cut_from), at(cut_to)}});
  }
  return gone;
}

bool map_runs(Host& host, uint8_t* at, int prot, const std::vector<uint64_t>& frames) {
  for (size_t i = 0; i < frames.size();) {
    size_t n = 1;
    if (frames[i] == kNoFrame) {
      ++i;
      continue;
    }
    while (i + n < frames.size() && frames[i + n] == frames[i] + n) ++n;
    void* got =
        mmap(at + (i << kPageShift), n << kPageShift, prot, MAP_SHARED | MAP_FIXED | MAP_POPULATE,
             host.fd(), static_cast<off_t>(host.file_offset(mfn_t(frames[i]))));
    if (got == MAP_FAILED) return false;
    i += n;
  }
  return true;
}

}  // namespace

int real_munmap(void* address, size_t bytes) {
  using Function = int (*)(void*, size_t);
  static const auto next = reinterpret_cast<Function>(dlsym(RTLD_NEXT, "munmap"));
  if (next) return next(address, bytes);
  return static_cast<int>(syscall(SYS_munmap, address, bytes));
}

void* add_mapping(Host& host, void* hint, int prot, int flags, std::vector<uint64_t> frames) {
  const size_t bytes = frames.size() << kPageShift;
  void* at = mmap(hint, bytes, PROT_NONE,
                  (flags & ~MAP_SHARED) | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (at == MAP_FAILED) return nullptr;
  if (!map_runs(host, static_cast<uint8_t*>(at), prot, frames)) {
    const int os_errno = errno;
    real_munmap(at, bytes);
    errno = os_errno;
    return nullptr;
  }
  const auto mapped = static_cast<uint64_t>(
      std::count_if(frames.begin(), frames.end(), [](uint64_t f) { return f != kNoFrame; }));
  usage_counters().mapped_pages += mapped;
  Table& t = table();
  std::lock_guard guard(t.mutex);
  t.by_address[reinterpret_cast<uint64_t>(at)] = {&host, (prot & PROT_WRITE) != 0,
                                                  std::move(frames)};
  return at;
}

void drop_all_mappings(Host& host) {
  for (const Mapping& m : take_out(0, ~uint64_t{0}))
    if (m.host == &host) drop_references(m);
}

}  // namespace ferry::sim

extern "C" int munmap(void* address, size_t bytes) noexcept {
  const ferry::sim::MachineStep step;
  const auto from = reinterpret_cast<uint64_t>(address);
  const uint64_t to = from + (bytes + ferry::kPageSize - 1) / ferry::kPageSize * ferry::kPageSize;
  const std::vector<ferry::sim::Mapping> gone = ferry::sim::take_out(from, to);
  const int rc = ferry::sim::real_munmap(address, bytes);
  const int os_errno = errno;
  for (const ferry::sim::Mapping& m : gone) ferry::sim::drop_references(m);
  errno = os_errno;
  return rc;
}
