// The request to suspend that libxl leaves for a guest in xenstore.
#include "xen/suspend_request.h"

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <thread>

#include "xen/lifecycle.h"

extern "C" {
#include <xenstore.h>
}

namespace ferry {
namespace {

constexpr auto kGuestTakes = std::chrono::seconds(60);  // what libxl grants it, too
constexpr auto kLookAgain = std::chrono::milliseconds(20);
constexpr std::string_view kRequest = "suspend";

class Xenstore {
 public:
  Xenstore() : handle_(xs_open(0), xs_close) {}
  explicit operator bool() const { return handle_ != nullptr; }
  xs_handle* get() const { return handle_.get(); }

 private:
  std::unique_ptr<xs_handle, void (*)(xs_handle*)> handle_;
};

// True if the request was still there and is there no more.
bool withdraw(const Xenstore& store, domid_t domid) {
  const std::string path = fmt::format("/local/domain/{}/control/shutdown", raw(domid));
  for (;;) {
    const xs_transaction_t transaction = xs_transaction_start(store.get());
    if (transaction == XBT_NULL) return false;
    unsigned length = 0;
    std::unique_ptr<void, void (*)(void*)> value(
        xs_read(store.get(), transaction, path.c_str(), &length), std::free);
    const bool waiting =
        value && std::string_view(static_cast<char*>(value.get()), length) == kRequest;
    if (waiting) xs_write(store.get(), transaction, path.c_str(), "", 0);
    if (xs_transaction_end(store.get(), transaction, !waiting)) return waiting;
    if (errno != EAGAIN) return false;
  }
}

}  // namespace

void undo_suspend(const Hypervisor& xen, domid_t domid) {
  Xenstore store;
  if (!get_domain(xen, domid).suspended && store && withdraw(store, domid)) {
    // The guest may have taken the request in the very moment before.
    std::this_thread::sleep_for(kLookAgain);
    if (!get_domain(xen, domid).suspended) return;
  }
  const auto deadline = std::chrono::steady_clock::now() + kGuestTakes;
  while (!get_domain(xen, domid).suspended) {
    if (std::chrono::steady_clock::now() > deadline) return;  // it never obeyed, and runs
    std::this_thread::sleep_for(kLookAgain);
  }
  try {
    resume_fast(xen, domid);
  } catch (const Error& e) {
    fail_to_resume(domid, e.what());
  }
  if (!store || !xs_resume_domain(store.get(), raw(domid)))
    fail_to_resume(domid, "xenstored does not know that it runs again");
}

bool says_it_can_suspend(domid_t domid) {
  const Xenstore store;
  if (!store) return false;
  const std::string path = fmt::format("/local/domain/{}/control/feature-suspend", raw(domid));
  unsigned length = 0;
  const std::unique_ptr<void, void (*)(void*)> value(
      xs_read(store.get(), XBT_NULL, path.c_str(), &length), std::free);
  return value && std::string_view(static_cast<char*>(value.get()), length) == "1";
}

}  // namespace ferry
