// ferry's own engine on simulated hosts.
#include "tests/engine/sim_engine.h"

#include "image_reader/image_records.h"
#include "sim/builder/guest_view.h"
#include "sim/seam/binding.h"
#include "xen/xen_headers.h"

namespace ferry::sim {
namespace {

// Runs body with handles bound to host; an Error becomes the outcome, anything else goes on.
template <typename Body>
void attempt(Host& host, Outcome& outcome, Body body) {
  BindThread bind(host);
  try {
    body();
  } catch (const Error& e) {
    outcome.error = e.code();
    outcome.sentence = e.what();
  }
}

// libxenctrl for the calls that libxl would make.
class Toolstack {
 public:
  explicit Toolstack(Host& host) : bind_(host), xch_(xc_interface_open(nullptr, nullptr, 0)) {}
  ~Toolstack() { xc_interface_close(xch_); }
  xc_interface* xch() const { return xch_; }

 private:
  BindThread bind_;
  xc_interface* xch_;
};

}  // namespace

Saved engine_save_to(Host& host, uint32_t domid, ByteSink& sink, Executor& executor,
                     const SaveOptions& options, const std::function<void()>& suspend,
                     const StopFlag* stop) {
  Saved saved;
  attempt(host, saved, [&] {
    Hypervisor xen;
    SaveCallbacks callbacks;
    callbacks.suspend = [&] {
      saved.asked_to_suspend = true;
      if (suspend) suspend();
    };
    callbacks.stop = stop;
    save_domain(xen, domid_t{static_cast<uint16_t>(domid)}, sink, executor, options, callbacks);
  });
  return saved;
}

Saved engine_save(Host& host, uint32_t domid, Executor& executor, const SaveOptions& options,
                  const std::function<void()>& suspend, const StopFlag* stop) {
  MemorySink sink;
  Saved saved = engine_save_to(host, domid, sink, executor, options, suspend, stop);
  saved.image = sink.bytes();
  return saved;
}

RestoreTarget create_target(Host& host, uint64_t pages, unsigned vcpus) {
  Toolstack toolstack(host);
  xen_domctl_createdomain config{};
  config.max_vcpus = vcpus;
  config.max_evtchn_port = 1023;
  config.max_grant_frames = 4;
  config.grant_opts = 1;
  uint32_t domid = 0;
  if (xc_domain_create(toolstack.xch(), &domid, &config) ||
      xc_domain_max_vcpus(toolstack.xch(), domid, vcpus) ||
      xc_domain_setmaxmem(toolstack.xch(), domid, pages * 4 + 1024))
    fail(Errc::internal, "the simulated host cannot create a domain of {} pages", pages);
  RestoreTarget target;
  target.domid = domid_t{static_cast<uint16_t>(domid)};
  target.store_evtchn = static_cast<uint32_t>(xc_evtchn_alloc_unbound(toolstack.xch(), domid, 0));
  target.console_evtchn = static_cast<uint32_t>(xc_evtchn_alloc_unbound(toolstack.xch(), domid, 0));
  return target;
}

Restored engine_restore(Host& host, std::span<const std::byte> image, const RestoreTarget& target,
                        Executor& executor, unsigned threads) {
  Restored restored;
  restored.domid = raw(target.domid);
  struct Counting final : ByteSource {
    explicit Counting(std::span<const std::byte> bytes) : inner(bytes) {}
    size_t read(std::span<std::byte> into) override {
      const size_t n = inner.read(into);
      taken += n;
      return n;
    }
    MemorySource inner;
    uint64_t taken = 0;
  } source(image);
  attempt(host, restored, [&] {
    Hypervisor xen;
    ImageRecords records(source, executor);
    const RestoreResult result = restore_domain(xen, target, records, {}, threads);
    restored.store_mfn = result.store_mfn;
    restored.console_mfn = result.console_mfn;
  });
  restored.unread = image.size() - source.taken;
  return restored;
}

void destroy_domain(Host& host, uint32_t domid) {
  Toolstack toolstack(host);
  xc_domain_destroy(toolstack.xch(), domid);
}

void resume_domain(Host& host, uint32_t domid) {
  Toolstack toolstack(host);
  xc_domain_resume(toolstack.xch(), domid, 1);
}

bool can_run(Host& host, uint32_t domid) {
  for (const VcpuView& vcpu : view_guest(host, static_cast<DomainNumber>(domid)).vcpus)
    if (vcpu.initialised) return true;
  return false;
}

}  // namespace ferry::sim
