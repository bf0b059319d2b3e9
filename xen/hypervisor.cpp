// The open handles to Xen, and how its errors become sentences.
#include "xen/hypervisor.h"

#include <cerrno>
#include <cstring>

#include "xen/release.h"
#include "xen/xen_headers.h"

namespace ferry {
namespace {

// libxenctrl reports through a logger as well as through errno. errno is what we act on, so the
// logger keeps quiet; without one the library would write to stderr behind our back.
void drop_message(xentoollog_logger*, xentoollog_level, int, const char*, const char*, va_list) {
}
void drop_progress(xentoollog_logger*, const char*, const char*, int, unsigned long,
                   unsigned long) {
}
void destroy_nothing(xentoollog_logger*) {
}

xentoollog_logger quiet_logger = {drop_message, drop_progress, destroy_nothing};

[[noreturn]] void fail_open(int os_errno) {
  const char* why = os_errno ? std::strerror(os_errno) : "no reason given";
  if (os_errno == EACCES || os_errno == EPERM)
    fail(Errc::no_xen, "not allowed to speak to Xen ({}); run this as root in dom0", why);
  fail(Errc::no_xen,
       "no Xen hypervisor to speak to ({}); run this in dom0 with the xen-privcmd module loaded",
       why);
}

}  // namespace

Hypervisor::Hypervisor() {
  try {
    open();
  } catch (const Error&) {
    close();
    throw;
  }
}

void Hypervisor::open() {
  errno = 0;
  xch_ = xc_interface_open(&quiet_logger, &quiet_logger, 0);
  if (xch_) foreign_memory_ = xenforeignmemory_open(&quiet_logger, 0);
  if (foreign_memory_) call_ = xencall_open(&quiet_logger, 0);
  if (!call_) fail_open(errno);
  const int version = xc_version(xch_, XENVER_version, nullptr);
  unsigned long nr_mfns = 0;
  if (version < 0 || xc_maximum_ram_page(xch_, &nr_mfns) != 0) fail_open(errno);
  version_ = static_cast<uint32_t>(version);
  nr_mfns_ = nr_mfns;
  // Xen of another release answers all of that, and then refuses every domctl.
  unsigned width = 0;
  if (xc_domain_get_guest_width(xch_, 0, &width) != 0) fail_xen("describe domains");
}

Hypervisor::~Hypervisor() {
  close();
}

void Hypervisor::close() {
  if (call_) xencall_close(call_);
  if (foreign_memory_) xenforeignmemory_close(foreign_memory_);
  if (xch_) xc_interface_close(xch_);
  call_ = nullptr;
  foreign_memory_ = nullptr;
  xch_ = nullptr;
}

std::string xen_command_line(const Hypervisor& xen) {
  xen_commandline_t line = {};
  if (xc_version(xen.xch(), XENVER_commandline, &line) < 0) fail_xen("tell its command line");
  return {line, strnlen(line, sizeof line)};
}

void fail_xen(std::string_view doing) {
  fail_xen(doing, errno);
}

void fail_xen(std::string_view doing, int os_errno) {
  switch (os_errno) {
    case EACCES:  // domctl.c: another XEN_DOMCTL_INTERFACE_VERSION
      throw Error(Errc::wrong_xen,
                  fmt::format("Xen refused to {}: it speaks another tool interface than the Xen "
                              "{} this ferry was built for; use the ferry of its release",
                              doing, xen_release()),
                  os_errno);
    case EPERM:
      throw Error(Errc::no_xen, fmt::format("Xen does not allow this domain to {}", doing),
                  os_errno);
    case ESRCH:
      throw Error(Errc::no_domain, fmt::format("Xen could not {}: the domain is gone", doing),
                  os_errno);
    case ENOMEM:
      throw Error(Errc::no_memory, fmt::format("Xen had no memory to {}", doing), os_errno);
    default:
      throw Error(Errc::internal,
                  fmt::format("Xen could not {}: {}", doing, std::strerror(os_errno)), os_errno);
  }
}

}  // namespace ferry
