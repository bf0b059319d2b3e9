// Messages to xenstored and back, through a ring for each direction.
#include "kernel/store.h"

#include "guest/abi.h"
#include "kernel/console.h"
#include "kernel/hypercall.h"
#include "kernel/xen_half.h"

namespace ferry::kernel {
namespace {

using ring_t = xenstore_domain_interface;
constexpr uint32_t kRing = XENSTORE_RING_SIZE;

size_t length_of(const char* text) {
  size_t n = 0;
  while (text[n] != 0) ++n;
  return n;
}

bool is(const char* text, size_t length, const char* word) {
  return length >= length_of(word) && __builtin_memcmp(text, word, length_of(word)) == 0;
}

int error_of(const char* name, size_t length) {
  if (is(name, length, "EAGAIN")) return static_cast<int>(-abi::kEagain);
  if (is(name, length, "ENOENT")) return static_cast<int>(-abi::kEnoent);
  return static_cast<int>(-abi::kEinval);
}

uint32_t answered(const ring_t& ring) {
  return __atomic_load_n(&ring.rsp_prod, __ATOMIC_ACQUIRE) - ring.rsp_cons;
}

}  // namespace

Store& store() {
  static Store the_store;
  return the_store;
}

void Store::begin(void* ring, uint32_t port) {
  ring_ = static_cast<ring_t*>(ring);
  port_ = port;
}

int Store::begin(uint32_t& transaction) {
  char number[16];
  const piece empty{"", 1};
  const int length = request(XS_TRANSACTION_START, 0, &empty, 1, number, sizeof number);
  transaction = 0;
  for (int i = 0; i < length && number[i] != 0; ++i)
    transaction = 10 * transaction + static_cast<uint32_t>(number[i] - '0');
  return length < 0 ? length : 0;
}
int Store::end(uint32_t transaction, bool commit) {
  const piece answer{commit ? "T" : "F", 2};
  const int result = request(XS_TRANSACTION_END, transaction, &answer, 1, nullptr, 0);
  return result < 0 ? result : 0;
}
int Store::read(uint32_t transaction, const char* path, char* to, size_t room) {
  const piece name{path, length_of(path) + 1};
  return request(XS_READ, transaction, &name, 1, to, room);
}
int Store::write(uint32_t transaction, const char* path, const char* value) {
  const piece pieces[] = {{path, length_of(path) + 1}, {value, length_of(value)}};
  const int result = request(XS_WRITE, transaction, pieces, 2, nullptr, 0);
  return result < 0 ? result : 0;
}
int Store::watch(const char* path, char token) {
  if (nr_watches_ == 4) return static_cast<int>(-abi::kEnomem);
  watches_[nr_watches_++] = {path, token};
  const char text[2] = {token, 0};
  const piece pieces[] = {{path, length_of(path) + 1}, {text, 2}};
  const int result = request(XS_WATCH, 0, pieces, 2, nullptr, 0);
  return result < 0 ? result : 0;
}

bool Store::fired(char token) {
  take_waiting_events();
  const uint32_t bit = 1u << (token - 'a');
  const bool yes = (fired_ & bit) != 0;
  fired_ &= ~bit;
  return yes;
}

void Store::resume(bool cancelled, uint32_t port) {
  if (cancelled) return;
  port_ = port;
  const unsigned nr = nr_watches_;
  nr_watches_ = 0;
  for (unsigned i = 0; i < nr; ++i)
    if (watch(watches_[i].path, watches_[i].token) != 0)
      complain("a watch is refused after a resume");
}

int Store::request(uint32_t type, uint32_t transaction, const piece* pieces, unsigned nr, char* to,
                   size_t room) {
  xsd_sockmsg header{type, ++request_, transaction, 0};
  for (unsigned i = 0; i < nr; ++i) header.len += static_cast<uint32_t>(pieces[i].length);
  send(&header, sizeof header);
  for (unsigned i = 0; i < nr; ++i) send(pieces[i].at, pieces[i].length);
  for (;;) {
    receive(&header, sizeof header);
    if (header.type != XS_WATCH_EVENT) break;
    take_watch_event(header.len);
  }
  if (header.req_id != request_) bug("xenstore answers what nobody asked");
  char error[16];
  if (header.type == XS_ERROR) to = error, room = sizeof error;
  const size_t wanted = header.len < room ? header.len : room;
  receive(to, wanted);
  for (size_t i = wanted; i < header.len; ++i) receive(error, 1);
  return header.type == XS_ERROR ? error_of(to, wanted) : static_cast<int>(wanted);
}

void Store::send(const void* from, size_t length) {
  const auto* bytes = static_cast<const char*>(from);
  for (size_t i = 0; i < length; ++i) {
    while (ring_->req_prod - __atomic_load_n(&ring_->req_cons, __ATOMIC_ACQUIRE) == kRing) wait();
    ring_->req[MASK_XENSTORE_IDX(ring_->req_prod)] = bytes[i];
    __atomic_store_n(&ring_->req_prod, ring_->req_prod + 1, __ATOMIC_RELEASE);
  }
  kick();
}

void Store::receive(void* to, size_t length) {
  auto* bytes = static_cast<char*>(to);
  for (size_t i = 0; i < length; ++i) {
    while (answered(*ring_) == 0) wait();
    bytes[i] = ring_->rsp[MASK_XENSTORE_IDX(ring_->rsp_cons)];
    __atomic_store_n(&ring_->rsp_cons, ring_->rsp_cons + 1, __ATOMIC_RELEASE);
  }
  if (length != 0) kick();
}

// The path, a 0, the token, a 0.
void Store::take_watch_event(size_t length) {
  char last[2] = {}, next = 0;
  for (size_t i = 0; i < length; ++i) {
    receive(&next, 1);
    if (next != 0) last[1] = next;
  }
  fired_ |= 1u << (last[1] - 'a');
}

// Only whole messages are taken, so that a suspend never finds half of one taken.
void Store::take_waiting_events() {
  for (;;) {
    xsd_sockmsg header{};
    if (answered(*ring_) < sizeof header) return;
    for (unsigned i = 0; i < sizeof header; ++i)
      reinterpret_cast<char*>(&header)[i] = ring_->rsp[MASK_XENSTORE_IDX(ring_->rsp_cons + i)];
    if (header.type != XS_WATCH_EVENT) bug("xenstore answers what nobody asked");
    if (answered(*ring_) < sizeof header + header.len) return;
    receive(&header, sizeof header);
    take_watch_event(header.len);
  }
}

// For the other side to have done something, or a little while.
void Store::wait() {
  kick();
  auto& shared = *reinterpret_cast<shared_info_t*>(current_guest().core.shared_info_va);
  __atomic_fetch_and(&shared.evtchn_pending[port_ / 64], ~(uint64_t{1} << port_ % 64),
                     __ATOMIC_ACQ_REL);
  if (answered(*ring_) != 0) return;
  evtchn_port_t port = port_;
  sched_poll poll{};
  poll.ports.p = &port;
  poll.nr_ports = 1;
  hypercall(__HYPERVISOR_sched_op, SCHEDOP_poll, address(&poll));
}

void Store::kick() const {
  evtchn_send message{port_};
  hypercall(__HYPERVISOR_event_channel_op, EVTCHNOP_send, address(&message));
}

}  // namespace ferry::kernel
