// Frame numbers and machine addresses as types that cannot be mixed up. Freestanding-clean.
//
//   pfn_t    a guest's own frame number (pseudo-physical), counted from 0
//   mfn_t    a frame number of the host's memory; for a PV guest Xen calls the same thing gfn
//   maddr_t  a byte address in the host's memory, mfn << 12 | offset
//
// Conversions are named functions: nothing becomes something else silently.
#pragma once

#include <stdint.h>

namespace ferry {

inline constexpr unsigned kPageShift = 12;
inline constexpr uint64_t kPageSize = uint64_t{1} << kPageShift;

template <typename Tag>
class frame_number {
 public:
  constexpr frame_number() = default;
  explicit constexpr frame_number(uint64_t n) : n_(n) {}

  constexpr uint64_t raw() const { return n_; }

  friend constexpr bool operator==(frame_number a, frame_number b) { return a.n_ == b.n_; }
  friend constexpr bool operator!=(frame_number a, frame_number b) { return a.n_ != b.n_; }
  friend constexpr bool operator<(frame_number a, frame_number b) { return a.n_ < b.n_; }
  friend constexpr bool operator<=(frame_number a, frame_number b) { return a.n_ <= b.n_; }
  friend constexpr bool operator>(frame_number a, frame_number b) { return a.n_ > b.n_; }
  friend constexpr bool operator>=(frame_number a, frame_number b) { return a.n_ >= b.n_; }
  friend constexpr frame_number operator+(frame_number a, uint64_t n) {
    return frame_number(a.n_ + n);
  }
  // Frames from b up to a; a must not be below b.
  friend constexpr uint64_t operator-(frame_number a, frame_number b) { return a.n_ - b.n_; }
  constexpr frame_number& operator++() {
    ++n_;
    return *this;
  }

 private:
  uint64_t n_ = 0;
};

using pfn_t = frame_number<struct pfn_tag>;
using mfn_t = frame_number<struct mfn_tag>;

enum class maddr_t : uint64_t {};

// A domain's number. Xen's own typedef of this name is a bare uint16_t.
enum class domid_t : uint16_t {};

constexpr maddr_t maddr_of(mfn_t mfn, uint64_t offset = 0) {
  return maddr_t{mfn.raw() << kPageShift | offset};
}
constexpr mfn_t mfn_of(maddr_t maddr) {
  return mfn_t(static_cast<uint64_t>(maddr) >> kPageShift);
}

}  // namespace ferry
