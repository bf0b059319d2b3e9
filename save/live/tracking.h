// Two ways to know what a running guest changed since it was copied.
#pragma once

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "save/guest_view.h"
#include "save/live/page_states.h"
#include "xen/page_types.h"

namespace ferry {

enum class Track { automatic, logdirty, content };

// A piece of a scan: consecutive pfns, what is known of them, and which of them must be sent.
struct ScanWindow {
  static constexpr mfn_t kNone{~uint64_t{0}};

  pfn_t first;
  std::shared_ptr<const GuestView> guest;
  bool last = false;             // the guest is suspended
  std::vector<mfn_t> frames;     // of each pfn, kNone without
  std::vector<PageType> types;   // of each pfn, or empty when nobody asked
  std::vector<uint8_t> changed;  // of each pfn: 1 if it must be sent again

  pfn_t pfn(size_t i) const { return first + i; }
  size_t size() const { return frames.size(); }
};

class Tracking {
 public:
  // The part of a scan that can be done on any thread.
  class Look {
   public:
    virtual ~Look() = default;
    virtual void examine(ScanWindow& window) = 0;
  };

  // When it goes, the log is off and nothing of the guest is mapped.
  virtual ~Tracking() = default;
  virtual std::string_view name() const = 0;

  // Of every page that goes out, on any thread: the raw copy, then what was made of it.
  virtual void copied(pfn_t, const std::byte*) {}
  virtual void sent(pfn_t, v1::PageKind, const std::byte*) {}

  // True if a scan needs the types of the pages while the guest still runs.
  virtual bool wants_types() const = 0;
  // Pfns of a window, the same in every scan.
  virtual uint64_t window_pfns() const = 0;

  // A scan: begin, then prepare() for each window in order, both on the thread of the domctls. What
  // frames and types alone tell is marked already. Null: there is nothing left to look at.
  virtual void begin_scan(bool last) = 0;
  virtual std::unique_ptr<Look> prepare(ScanWindow& window) = 0;

  // Lets go of frames that the guest's p2m does not have any more, so that Xen can have them back.
  virtual void release_gone(const GuestView&) {}
};

// Chosen by what the host can do: automatic takes the log where there is one. Throws
// Error(unsupported) if the log was asked for and there is none.
std::unique_ptr<Tracking> make_tracking(Track track, const Hypervisor& xen, domid_t domid,
                                        const PageStates& states);
std::unique_ptr<Tracking> make_logdirty_tracking(const Hypervisor& xen, domid_t domid,
                                                 const PageStates& states);
std::unique_ptr<Tracking> make_content_tracking(const Hypervisor& xen, domid_t domid,
                                                const PageStates& states);

}  // namespace ferry
