// libxenevtchn over the simulated machine: ports of domain 0 bound by this program.
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <mutex>
#include <set>

#include "sim/machine/event_channels.h"
#include "sim/seam/binding.h"
#include "sim/seam/usage.h"

extern "C" {
#include <xenevtchn.h>
}

struct xenevtchn_handle {
  ferry::sim::Host* host;
  int fd;  // readable while an event may be waiting
  std::set<uint32_t> ports;
};

namespace {

using namespace ferry::sim;

// The handles of this process. Lock order: a host, then this; ports change under the host's lock.
std::mutex handles_mutex;
std::set<xenevtchn_handle*>& handles() {
  static auto* set = new std::set<xenevtchn_handle*>;
  return *set;
}

void signal(const xenevtchn_handle& handle) {
  const uint64_t one = 1;
  if (write(handle.fd, &one, sizeof one) < 0) return;  // full: it is readable already
}

void wake(Host* host, uint32_t port) {
  std::lock_guard guard(handles_mutex);
  for (xenevtchn_handle* h : handles())
    if (h->host == host && h->ports.count(port)) signal(*h);
}

// -1 with errno, or what the function returns.
int fail_with(int os_errno) {
  errno = os_errno;
  return -1;
}

template <typename Bind>
int bind(xenevtchn_handle* handle, Bind bind_port) {
  Host& host = *handle->host;
  if (const int os_errno = host.begin_call(CallKind::event_device, 0)) return fail_with(os_errno);
  HostLock lock(host);
  Domain* d = host.find_domain(0);
  const int port = bind_port(host, *d);
  if (port < 0) return fail_with(-port);
  handle->ports.insert(static_cast<uint32_t>(port));
  if (d->ports[port].pending) signal(*handle);
  return port;
}

}  // namespace

extern "C" {

xenevtchn_handle* xenevtchn_open(xentoollog_logger*, unsigned) {
  Host* host = bound_host();
  int os_errno = host ? host->begin_call(CallKind::open, 0) : ENOENT;
  const int fd = os_errno ? -1 : eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (!os_errno && fd < 0) os_errno = errno;
  if (os_errno) {
    errno = os_errno;
    return nullptr;
  }
  auto* handle = new xenevtchn_handle{host, fd, {}};
  {
    std::lock_guard guard(handles_mutex);
    handles().insert(handle);
  }
  ++usage_counters().handles;
  HostLock lock(*host);
  host->set_on_event([host](uint32_t port) { wake(host, port); });
  return handle;
}

xenevtchn_handle* xenevtchn_fdopen(xentoollog_logger*, int, unsigned) {
  errno = EOPNOTSUPP;
  return nullptr;
}

int xenevtchn_close(xenevtchn_handle* handle) {
  if (!handle) return 0;
  {
    HostLock lock(*handle->host);
    for (const uint32_t port : handle->ports)
      close_port(*handle->host, *handle->host->find_domain(0), port);
  }
  {
    std::lock_guard guard(handles_mutex);
    handles().erase(handle);
  }
  close(handle->fd);
  delete handle;
  --usage_counters().handles;
  return 0;
}

int xenevtchn_fd(xenevtchn_handle* handle) {
  return handle->fd;
}

int xenevtchn_notify(xenevtchn_handle* handle, evtchn_port_t port) {
  Host& host = *handle->host;
  if (const int os_errno = host.begin_call(CallKind::event_device, 0)) return fail_with(os_errno);
  HostLock lock(host);
  if (!handle->ports.count(port)) return fail_with(ENOTCONN);
  const int rc = send_event(host, *host.find_domain(0), port);
  return rc ? fail_with(-rc) : 0;
}

xenevtchn_port_or_error_t xenevtchn_bind_unbound_port(xenevtchn_handle* handle, uint32_t domid) {
  return bind(handle, [&](Host& host, Domain& d) {
    return bind_unbound(host, d, static_cast<DomainNumber>(domid));
  });
}

xenevtchn_port_or_error_t xenevtchn_bind_interdomain(xenevtchn_handle* handle, uint32_t domid,
                                                     evtchn_port_t remote_port) {
  return bind(handle, [&](Host& host, Domain& d) {
    return bind_interdomain(host, d, static_cast<DomainNumber>(domid), remote_port);
  });
}

xenevtchn_port_or_error_t xenevtchn_bind_virq(xenevtchn_handle* handle, unsigned virq) {
  return bind(handle, [&](Host& host, Domain& d) { return bind_virq(host, d, virq, 0); });
}

int xenevtchn_unbind(xenevtchn_handle* handle, evtchn_port_t port) {
  HostLock lock(*handle->host);
  if (!handle->ports.erase(port)) return fail_with(ENOTCONN);
  close_port(*handle->host, *handle->host->find_domain(0), port);
  return 0;
}

xenevtchn_port_or_error_t xenevtchn_pending(xenevtchn_handle* handle) {
  for (;;) {
    {
      HostLock lock(*handle->host);
      Domain* d = handle->host->find_domain(0);
      uint64_t drained = 0;
      if (read(handle->fd, &drained, sizeof drained) < 0 && errno != EAGAIN) return -1;
      int found = -1;
      for (const uint32_t port : handle->ports) {
        Port& p = d->ports[port];
        if (!p.pending || p.masked) continue;
        if (found >= 0) {
          signal(*handle);  // one more waits
          break;
        }
        p.pending = 0;
        p.masked = 1;
        found = static_cast<int>(port);
      }
      if (found >= 0) return found;
    }
    // Senders of other processes cannot write to this descriptor: look again now and then.
    pollfd wait{handle->fd, POLLIN, 0};
    if (poll(&wait, 1, 10) < 0 && errno != EINTR) return -1;
  }
}

int xenevtchn_unmask(xenevtchn_handle* handle, evtchn_port_t port) {
  Host& host = *handle->host;
  if (const int os_errno = host.begin_call(CallKind::event_device, 0)) return fail_with(os_errno);
  HostLock lock(host);
  if (!handle->ports.count(port)) return fail_with(ENOTCONN);
  Port& p = host.find_domain(0)->ports[port];
  p.masked = 0;
  if (p.pending) signal(*handle);
  return 0;
}

int xenevtchn_restrict(xenevtchn_handle*, domid_t) {
  return fail_with(EOPNOTSUPP);
}

}  // extern "C"
