// The guest's frames, mapped read-only from one scan to the next.
#include "save/live/frame_windows.h"

#include <sys/mman.h>
#include <xxh_x86dispatch.h>

#include <algorithm>

namespace ferry {
namespace {

// Each window is a mapping of its own, of which Linux lets a process have 65,530.
constexpr uint64_t kMostWindows = 8192;
constexpr uint64_t kSmallestWindow = 512;

uint64_t fingerprint_of(std::span<const mfn_t> frames) {
  return XXH3_64bits(frames.data(), frames.size_bytes());
}

bool is_none(mfn_t frame) {
  return frame.raw() == ~uint64_t{0};
}

}  // namespace

void read_frames(const GuestView& guest, pfn_t first, std::span<mfn_t> frames) {
  for (size_t i = 0; i < frames.size(); ++i)
    if (!guest.frame_of(first + i, frames[i])) frames[i] = mfn_t(~uint64_t{0});
}

FrameWindows::FrameWindows(const Hypervisor& xen, domid_t domid, uint64_t nr_pfns)
    : xen_(xen), domid_(domid), nr_pfns_(nr_pfns), window_pfns_(kSmallestWindow) {
  while (nr_pfns / window_pfns_ > kMostWindows) window_pfns_ *= 2;
  slots_.resize((nr_pfns + window_pfns_ - 1) / window_pfns_);
}

std::shared_ptr<const FrameWindows::Window> FrameWindows::map(pfn_t first,
                                                              std::span<const mfn_t> frames) {
  Slot& slot = slot_of(first);
  const uint64_t fingerprint = fingerprint_of(frames);
  if (slot.window && slot.fingerprint == fingerprint) return slot.window;
  slot.window.reset();
  auto window = std::make_shared<Window>();
  window->bad.assign(frames.size(), true);
  if (!std::all_of(frames.begin(), frames.end(), is_none)) {
    // Xen refuses a frame that cannot be; the others are mapped all the same.
    std::vector<int> errors;
    window->mapping = ForeignMapping(xen_, domid_, PROT_READ, frames, errors);
    for (size_t i = 0; i < frames.size(); ++i)
      window->bad[i] = is_none(frames[i]) || errors[i] != 0;
  }
  slot.fingerprint = fingerprint;
  slot.window = std::move(window);
  return slot.window;
}

void FrameWindows::release(pfn_t first) {
  slot_of(first).window.reset();
}

void FrameWindows::release_gone(const GuestView& guest) {
  std::vector<mfn_t> frames;
  for (size_t i = 0; i < slots_.size(); ++i) {
    if (!slots_[i].window) continue;
    const pfn_t first(i * window_pfns_);
    frames.resize(std::min(window_pfns_, nr_pfns_ - first.raw()));
    read_frames(guest, first, frames);
    if (fingerprint_of(frames) != slots_[i].fingerprint) slots_[i].window.reset();
  }
}

}  // namespace ferry
