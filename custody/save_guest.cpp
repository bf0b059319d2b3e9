// Saving a guest without ever losing it.
#include "custody/save_guest.h"

#include <unistd.h>

#include <chrono>
#include <exception>

#include "config/libxl_json.h"
#include "custody/give_back.h"
#include "custody/suspend_mark.h"
#include "error/error.h"
#include "ferry/v1/image.pb.h"
#include "files/image_output.h"
#include "proto/xl_wrapper.h"
#include "save/save.h"
#include "text/printable.h"

namespace ferry {
namespace {

using Clock = std::chrono::steady_clock;

class GuestSave {
 public:
  GuestSave(const Hypervisor& xen, Lifecycle& life, const SaveEngine& engine,
            const SaveRequest& request, const ProgressCallback& progress)
      : xen_(xen), life_(life), engine_(engine), request_(request), progress_(progress) {}

  SaveReport run() {
    domid_ = life_.find(request_.domain);
    domain_ = get_domain(xen_, domid_);
    check_can_save(xen_, domain_);
    read_config();
    ImageOutput output(request_.file);
    try {
      save(output);
      output.commit();
    } catch (...) {
      give_the_guest_back();
      if (suspend_error_) std::rethrow_exception(suspend_error_);
      throw;
    }
    let_go();
    const std::chrono::duration<double> down = Clock::now() - suspended_at_;
    return {domid_, config_.name(), domain_.nr_pages * kPageSize, image_bytes_, down.count()};
  }

 private:
  void read_config() {
    config_.set_libxl_json(config_to_save(life_.config_json(domid_)));
    config_.set_name(life_.name(domid_));
    if (!is_utf8(config_.name()))
      fail(Errc::unsupported, "the domain's name is not UTF-8: {}", config_.name());
    config_.set_uuid(domain_.uuid.data(), domain_.uuid.size());
    config_.set_xl_flags(kXlFlagJson | kXlFlagStreamV2);
  }

  void save(const ImageOutput& output) {
    EngineOptions options;
    options.threads = request_.threads;
    options.level = request_.level;
    options.live = request_.live;
    options.events = request_.events;
    options.config = config_.SerializeAsString();
    EngineCallbacks callbacks;
    callbacks.suspend = [this] { return suspend(); };
    callbacks.progress = progress_;
    engine_(domid_, output.fd(), options, callbacks);
    if (output.durable()) image_bytes_ = static_cast<uint64_t>(lseek(output.fd(), 0, SEEK_END));
  }

  // The engine learns only whether it worked; the reason is ours to tell.
  bool suspend() {
    asked_to_suspend_ = true;
    try {
      leave_suspend_mark(domid_, domain_.uuid);  // the engine's note, until we let the guest go
      suspended_at_ = Clock::now();
      may_suspend_yet_ = true;
      life_.suspend(domid_);
      may_suspend_yet_ = false;
      return true;
    } catch (const Error&) {
      suspend_error_ = std::current_exception();
      return false;
    }
  }

  // Whatever went wrong, a guest that ran before runs again. Throws Error(needs_operator) if not.
  void give_the_guest_back() {
    if (asked_to_suspend_)
      give_back(xen_, life_, domid_, may_suspend_yet_);
    else
      stop_log_of_dead_save(xen_, domid_);
  }

  void let_go() {
    // Whoever had suspended it before goes on from there.
    if (!asked_to_suspend_ && request_.afterwards != Afterwards::destroy) return;
    switch (request_.afterwards) {
      case Afterwards::destroy:
        clear_suspend_mark(domid_);  // from now on it is the image that counts
        life_.destroy(domid_);
        break;
      case Afterwards::keep:
        life_.resume(domid_);
        break;
      case Afterwards::pause:
        life_.resume_paused(domid_);
        break;
    }
    clear_suspend_mark(domid_);
  }

  const Hypervisor& xen_;
  Lifecycle& life_;
  const SaveEngine& engine_;
  const SaveRequest& request_;
  const ProgressCallback& progress_;
  domid_t domid_{};
  DomainInfo domain_;
  v1::Config config_;
  bool asked_to_suspend_ = false;
  bool may_suspend_yet_ = false;
  std::exception_ptr suspend_error_;
  uint64_t image_bytes_ = 0;
  Clock::time_point suspended_at_ = Clock::now();
};

}  // namespace

SaveReport save_guest(const Hypervisor& xen, Lifecycle& life, const SaveEngine& engine,
                      const SaveRequest& request, const ProgressCallback& progress) {
  return GuestSave(xen, life, engine, request, progress).run();
}

}  // namespace ferry
