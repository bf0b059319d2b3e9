// Hypercalls, mappings and scratch domains for the rule cases.
#include "tests/conformance/xen.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace conformance {

namespace {

Outcome outcome(long rc) {
  return {rc, rc < 0 ? errno : 0};
}

[[noreturn]] void die(const char* what) {
  fprintf(stderr, "conformance: %s: %s\n", what, strerror(errno));
  exit(1);
}

}  // namespace

Xen::Xen() : calls_(xencall_open(nullptr, 0)), memory_(xenforeignmemory_open(nullptr, 0)) {
}
Xen::~Xen() {
  xenforeignmemory_close(memory_);
  xencall_close(calls_);
}

Outcome Xen::domctl(uint32_t cmd, uint32_t domid, xen_domctl& op) {
  Shared<xen_domctl> buffer(calls_, 1);
  *buffer = op;
  buffer->cmd = cmd;
  if (!buffer->interface_version) buffer->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
  buffer->domain = static_cast<domid_t>(domid);
  const Outcome o = outcome(xencall1(calls_, __HYPERVISOR_domctl, buffer.address()));
  op = *buffer;
  return o;
}

Outcome Xen::memory_op(uint32_t cmd, void* arg, size_t bytes) {
  Shared<char> buffer(calls_, bytes);
  memcpy(buffer.get(), arg, bytes);
  const Outcome o = outcome(xencall2L(calls_, __HYPERVISOR_memory_op, cmd, buffer.address()));
  memcpy(arg, buffer.get(), bytes);
  return o;
}

Outcome Xen::mmuext(uint32_t domid, std::vector<mmuext_op_t> ops, unsigned* done) {
  Shared<mmuext_op_t> buffer(calls_, ops.size());
  Shared<unsigned> count(calls_, 1);
  for (size_t i = 0; i < ops.size(); ++i) buffer[i] = ops[i];
  const Outcome o = outcome(xencall4(calls_, __HYPERVISOR_mmuext_op, buffer.address(), ops.size(),
                                     done ? count.address() : 0, domid));
  if (done) *done = *count;
  return o;
}

Outcome Xen::mmu_update(uint32_t foreign, std::vector<mmu_update_t> requests, unsigned* done) {
  Shared<mmu_update_t> buffer(calls_, requests.size());
  Shared<unsigned> count(calls_, 1);
  for (size_t i = 0; i < requests.size(); ++i) buffer[i] = requests[i];
  const Outcome o = outcome(xencall4(calls_, __HYPERVISOR_mmu_update, buffer.address(),
                                     requests.size(), done ? count.address() : 0, foreign));
  if (done) *done = *count;
  return o;
}

Outcome Xen::reservation(uint32_t cmd, uint32_t domid, std::vector<xen_pfn_t>& extents,
                         unsigned order) {
  Shared<xen_pfn_t> list(calls_, extents.size());
  for (size_t i = 0; i < extents.size(); ++i) list[i] = extents[i];
  xen_memory_reservation_t r{};
  r.extent_start.p = list.get();
  r.nr_extents = extents.size();
  r.extent_order = order;
  r.domid = static_cast<domid_t>(domid);
  const Outcome o = memory_op(cmd, &r, sizeof r);
  for (size_t i = 0; i < extents.size(); ++i) extents[i] = list[i];
  return o;
}

uint64_t Xen::m2p(uint64_t mfn) {
  const size_t chunk = mfn / 262144;
  Shared<xen_pfn_t> list(calls_, chunk + 1);
  xen_machphys_mfn_list_t op{};
  op.max_extents = static_cast<unsigned>(chunk + 1);
  op.extent_start.p = list.get();
  if (memory_op(XENMEM_machphys_mfn_list, &op, sizeof op).os_errno) die("M2P frames");
  const xen_pfn_t frame = list[chunk] + mfn % 262144 / 512;
  int err = 0;
  void* p = xenforeignmemory_map(memory_, DOMID_XEN, PROT_READ, 1, &frame, &err);
  if (!p || err) die("mapping the M2P");
  const uint64_t pfn = static_cast<uint64_t*>(p)[mfn % 512];
  xenforeignmemory_unmap(memory_, p, 1);
  return pfn;
}

void Xen::report(const std::string& name, const Outcome& o) {
  printf("%s %ld %s\n", name.c_str(), o.value, o.os_errno ? strerrorname_np(o.os_errno) : "-");
  ++lines_;
}

void Xen::report(const std::string& name, uint64_t value) {
  printf("%s %#lx -\n", name.c_str(), value);
  ++lines_;
}

Mapped::Mapped(Xen& xen, uint32_t domid, std::vector<xen_pfn_t> frames, int prot)
    : xen_(xen), pages_(frames.size()) {
  std::vector<int> errors(frames.size());
  address_ = xenforeignmemory_map(xen.memory(), domid, prot, pages_, frames.data(), errors.data());
  error_ = address_ ? -errors[0] : errno;
}

void Mapped::drop() {
  if (address_) xenforeignmemory_unmap(xen_.memory(), address_, pages_);
  address_ = nullptr;
}

Scratch::Scratch(Xen& xen, unsigned pages, unsigned vcpus) : xen_(xen) {
  xen_domctl op{};
  auto& config = op.u.createdomain;
  config.max_vcpus = vcpus ? vcpus : 1;
  config.max_evtchn_port = 1023;
  config.max_grant_frames = 4;
  config.grant_opts = 1;
  if (xen.domctl(XEN_DOMCTL_createdomain, 0, op).os_errno) die("creating a scratch domain");
  domid_ = op.domain;
  op = {};
  op.u.max_vcpus.max = vcpus;
  if (vcpus && xen.domctl(XEN_DOMCTL_max_vcpus, domid_, op).os_errno) die("scratch vCPUs");
  op = {};
  op.u.max_mem.max_memkb = 4 * (pages + 8);
  if (xen.domctl(XEN_DOMCTL_max_mem, domid_, op).os_errno) die("scratch memory limit");
  for (unsigned i = 0; i < pages; ++i) mfns_.push_back(i);
  if (pages && xen.reservation(XENMEM_populate_physmap, domid_, mfns_).value != pages)
    die("scratch memory");
  for (unsigned i = 0; i < pages; ++i) write(i);
}

Scratch::~Scratch() {
  xen_domctl op{};
  xen_.domctl(XEN_DOMCTL_destroydomain, domid_, op);
}

void Scratch::write(unsigned page, std::vector<At> entries) {
  Mapped m(xen_, domid_, {mfns_[page]}, PROT_READ | PROT_WRITE);
  if (m.outcome().os_errno) {
    errno = m.outcome().os_errno;
    die("writing a scratch page");
  }
  memset(m.words(), 0, 4096);
  for (const At& e : entries) m.words()[e.slot] = e.value;
}

uint64_t Scratch::read(unsigned page, unsigned slot) {
  Mapped m(xen_, domid_, {mfns_[page]}, PROT_READ);
  if (m.outcome().os_errno) die("reading a scratch page");
  return m.words()[slot];
}

Outcome Scratch::pin_mfn(unsigned level, uint64_t mfn) {
  mmuext_op_t op{};
  op.cmd = MMUEXT_PIN_L1_TABLE + level - 1;
  op.arg1.mfn = mfn;
  return xen_.mmuext(domid_, {op});
}

Outcome Scratch::pin(unsigned level, unsigned page) {
  return pin_mfn(level, mfns_[page]);
}

Outcome Scratch::unpin(unsigned page) {
  mmuext_op_t op{};
  op.cmd = MMUEXT_UNPIN_TABLE;
  op.arg1.mfn = mfns_[page];
  return xen_.mmuext(domid_, {op});
}

Outcome Scratch::update(unsigned page, unsigned slot, uint64_t value, unsigned subtype) {
  return xen_.mmu_update((domid_ + 1) << 16 | domid_,
                         {{(mfns_[page] << 12) + slot * 8 + subtype, value}});
}

uint64_t Scratch::type_of_mfn(uint64_t mfn) {
  Shared<xen_pfn_t> list(xen_.calls(), 1);
  list[0] = mfn;
  xen_domctl op{};
  op.u.getpageframeinfo3.num = 1;
  op.u.getpageframeinfo3.array.p = list.get();
  if (xen_.domctl(XEN_DOMCTL_getpageframeinfo3, domid_, op).os_errno) die("page types");
  return list[0] >> XEN_DOMCTL_PFINFO_LTAB_SHIFT & 15;
}

xen_domctl_getdomaininfo Scratch::info() {
  xen_domctl op{};
  if (xen_.domctl(XEN_DOMCTL_getdomaininfo, domid_, op).os_errno) die("domain info");
  return op.u.getdomaininfo;
}

Outcome Scratch::decrease(unsigned page) {
  std::vector<xen_pfn_t> frames = {mfns_[page]};
  return xen_.reservation(XENMEM_decrease_reservation, domid_, frames);
}

vcpu_guest_context_t Scratch::context(unsigned l4) {
  vcpu_guest_context_t c{};
  c.flags = VGCF_in_kernel;
  c.user_regs.cs = 0xe033;
  c.user_regs.ss = 0xe02b;
  c.kernel_ss = 0xe02b;
  c.ctrlreg[3] = mfns_[l4] << 12;
  return c;
}

Outcome Scratch::set_context(const vcpu_guest_context_t& context, unsigned vcpu) {
  Shared<vcpu_guest_context_t> buffer(xen_.calls(), 1);
  *buffer = context;
  xen_domctl op{};
  op.u.vcpucontext.vcpu = vcpu;
  op.u.vcpucontext.ctxt.p = buffer.get();
  return xen_.domctl(XEN_DOMCTL_setvcpucontext, domid_, op);
}

void Scratch::chain() {
  write(0, {{0, to(1, kTable)}});
  write(1, {{0, to(2, kTable)}});
  write(2, {{0, to(3, kTable)}});
  write(3);
}

}  // namespace conformance
