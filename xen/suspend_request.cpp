// The request to suspend that libxl leaves for a guest in xenstore.
#include "xen/suspend_request.h"

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <thread>

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
    const bool taken_back = waiting && xs_write(store.get(), transaction, path.c_str(), "", 0);
    if (xs_transaction_end(store.get(), transaction, !taken_back)) return taken_back;
    if (errno != EAGAIN) return false;
  }
}

std::string feature_path(domid_t domid, const char* what) {
  return fmt::format("/local/domain/{}/control/feature-{}", raw(domid), what);
}

}  // namespace

bool withdraw_suspend_request(domid_t domid, const std::function<bool()>& ended) {
  const Xenstore store;
  if (store && withdraw(store, domid)) {
    // The guest may have taken the request in the very moment before.
    std::this_thread::sleep_for(kLookAgain);
    return true;
  }
  const auto deadline = std::chrono::steady_clock::now() + kGuestTakes;
  while (!ended()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(kLookAgain);
  }
  return true;
}

bool SuspendUndoWithoutLibxl::withdraw_suspend(domid_t domid) {
  return withdraw_suspend_request(domid, [&] {
    const DomainInfo info = get_domain(xen_, domid);
    return info.shut_down || info.crashed || info.dying;
  });
}

void SuspendUndoWithoutLibxl::resume(domid_t domid) {
  try {
    resume_fast(xen_, domid);
  } catch (const Error& e) {
    fail_to_resume(domid, e.what());
  }
  const Xenstore store;
  if (!store || !xs_resume_domain(store.get(), raw(domid)))
    fail(Errc::internal,
         "domain {} runs again, but xenstored could not be told and may miss its next shutdown",
         raw(domid));
}

SuspendWord word_on_suspend(domid_t domid) {
  const Xenstore store;
  if (!store) return SuspendWord::silent;
  const auto says = [&](const char* what) {
    const std::string path = feature_path(domid, what);
    unsigned length = 0;
    const std::unique_ptr<void, void (*)(void*)> value(
        xs_read(store.get(), XBT_NULL, path.c_str(), &length), std::free);
    return value && std::string_view(static_cast<char*>(value.get()), length) == "1";
  };
  if (says("suspend")) return SuspendWord::can;
  return says("poweroff") || says("reboot") ? SuspendWord::cannot : SuspendWord::silent;
}

void say_it_can_suspend(domid_t domid) noexcept {
  const Xenstore store;
  if (store) xs_write(store.get(), XBT_NULL, feature_path(domid, "suspend").c_str(), "1", 1);
}

}  // namespace ferry
