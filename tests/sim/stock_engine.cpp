// The stock engine behind two functions.
#include "tests/sim/stock_engine.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "sim/seam/binding.h"

extern "C" {
#include <xenguest.h>
}

namespace ferry::sim {

namespace {

struct CloseInterface {
  void operator()(xc_interface* xch) const { xc_interface_close(xch); }
};
using Interface = std::unique_ptr<xc_interface, CloseInterface>;

Interface open_interface() {
  // The engines log what goes wrong to stderr; tests that want failures do not want that.
  static xentoollog_logger quiet = {
      [](xentoollog_logger*, xentoollog_level, int, const char*, const char*, va_list) {},
      [](xentoollog_logger*, const char*, const char*, int, unsigned long, unsigned long) {},
      [](xentoollog_logger*) {}};
  xentoollog_logger* logger = getenv("FERRY_SIM_VERBOSE") ? nullptr : &quiet;
  return Interface(xc_interface_open(logger, logger, 0));
}

struct Suspend {
  const std::function<int()>* function;
};

}  // namespace

int stock_save(Host& host, uint32_t domid, int fd, bool live, const std::function<int()>& suspend) {
  BindThread bind(host);
  Interface xch = open_interface();
  if (!xch) return errno;
  Suspend data{&suspend};
  save_callbacks callbacks{};
  callbacks.suspend = [](void* p) { return (*static_cast<Suspend*>(p)->function)(); };
  callbacks.data = &data;
  errno = 0;
  const int rc = xc_domain_save(xch.get(), fd, domid, live ? XCFLAGS_LIVE : 0, &callbacks,
                                XC_STREAM_PLAIN, -1);
  return rc == 0 ? 0 : errno ? errno : EIO;
}

StockRestored stock_restore(Host& host, int fd, uint64_t pages, unsigned vcpus) {
  BindThread bind(host);
  StockRestored out;
  Interface xch = open_interface();
  if (!xch) {
    out.os_errno = errno;
    return out;
  }
  xen_domctl_createdomain config{};
  config.max_vcpus = vcpus;
  config.max_evtchn_port = 1023;
  config.max_grant_frames = 4;
  config.grant_opts = 1;
  if (xc_domain_create(xch.get(), &out.domid, &config) ||
      xc_domain_max_vcpus(xch.get(), out.domid, vcpus) ||
      xc_domain_setmaxmem(xch.get(), out.domid, pages * 4 + 1024)) {
    out.os_errno = errno;
    return out;
  }
  restore_callbacks callbacks{};
  callbacks.static_data_done = [](unsigned, void*) { return 0; };
  const int store = xc_evtchn_alloc_unbound(xch.get(), out.domid, 0);
  const int console = xc_evtchn_alloc_unbound(xch.get(), out.domid, 0);
  errno = 0;
  const int rc = xc_domain_restore(xch.get(), fd, out.domid, static_cast<unsigned>(store),
                                   &out.store_mfn, 0, static_cast<unsigned>(console),
                                   &out.console_mfn, 0, XC_STREAM_PLAIN, &callbacks, -1);
  if (rc) out.os_errno = errno ? errno : EIO;
  return out;
}

int scratch_file() {
  return memfd_create("ferry-test", MFD_CLOEXEC);
}

}  // namespace ferry::sim
