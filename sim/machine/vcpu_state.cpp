// State of a vCPU beside its context: callbacks of 32-bit mode, XSAVE area, MSRs.
#include <cerrno>
#include <cstddef>
#include <cstring>

#include "sim/machine/pte.h"
#include "sim/machine/release.h"
#include "sim/machine/vcpus.h"

namespace ferry::sim {

namespace {

// What the XSAVE domctl carries: xcr0, xcr0_accum, then the uncompressed area.
constexpr uint32_t kXsaveHeader = 16;
constexpr uint32_t kXsaveLeast = 512 + 64;

constexpr uint32_t kVcpuMsrs[7] = {
    0x48,        // SPEC_CTRL
    0x140,       // INTEL_MISC_FEATURES_ENABLES
    0xc0000103,  // TSC_AUX
    0xc0011027,  // AMD DR0..DR3 address masks
    0xc0011019, 0xc001101a, 0xc001101b,
};

constexpr uint32_t xsave_bytes(uint64_t features) {
  return features == 0 ? 0 : features & 4 ? kXsaveBytes : kXsaveLeast;
}

Vcpu* find_vcpu(Domain& d, uint32_t id) {
  return id < d.max_vcpus && d.vcpus[id].exists ? &d.vcpus[id] : nullptr;
}

bool good_features(uint64_t xcr0, uint64_t accumulated) {
  return (accumulated & ~kXfeatureMask) == 0 && (xcr0 & ~accumulated) == 0 && (xcr0 & 1) &&
         (!(xcr0 & 4) || (xcr0 & 2));
}

int check_area(const uint8_t* area, uint32_t bytes, uint64_t xcr0, uint64_t accumulated) {
  if (accumulated) {
    uint64_t bitmap = 0, compaction = 0;
    if (bytes < kXsaveLeast) return -EINVAL;
    memcpy(&bitmap, area + 512, 8);
    memcpy(&compaction, area + 520, 8);
    if (!good_features(xcr0, accumulated) || (bitmap & ~accumulated)) return -EINVAL;
    if (compaction >> 63) return -EOPNOTSUPP;
  } else if (xcr0) {
    return -EINVAL;
  }
  return 0;
}

bool good_msr(uint32_t index, uint64_t value) {
  switch (index) {
    case 0x48:
      return (value & ~uint64_t{7}) == 0;
    case 0x140:
      return value == 0;  // CPUID faulting is not offered to guests of this machine
    default:
      return value <= 0xffffffff;
  }
}

}  // namespace

int get_ext_context(Domain& d, xen_domctl_ext_vcpucontext& ext) {
  const Vcpu* v = find_vcpu(d, ext.vcpu);
  if (!v) return -ESRCH;
  const uint32_t id = ext.vcpu;
  ext = v->ext;
  ext.vcpu = id;
  ext.size = sizeof ext;
  return 0;
}

int set_ext_context(Domain& d, const xen_domctl_ext_vcpucontext& ext) {
  Vcpu* v = find_vcpu(d, ext.vcpu);
  if (!v) return -ESRCH;
  if (ext.size < offsetof(xen_domctl_ext_vcpucontext, vmce)) return -EINVAL;
  if (!is_canonical(ext.sysenter_callback_eip) || !is_canonical(ext.syscall32_callback_eip))
    return -EINVAL;
  // Of an Intel host: the number of banks, CTL_P, TES_P, SER_P, LMCE_P.
  constexpr uint64_t known_caps = 0xff | 0x100 | 0x800 | 0x1000000 | 0x8000000;
  if (ext.size >= offsetof(xen_domctl_ext_vcpucontext, vmce) + 8 && (ext.vmce.caps & ~known_caps))
    return -EINVAL;
  const size_t keep = ext.size < sizeof ext ? ext.size : sizeof ext;
  xen_domctl_ext_vcpucontext taken{};
  memcpy(&taken, &ext, keep);
  taken.sysenter_callback_cs |= 3;
  taken.syscall32_callback_cs |= 3;
  v->ext = taken;
  return 0;
}

int get_xsave(Domain& d, xen_domctl_vcpuextstate& state) {
  const Vcpu* v = find_vcpu(d, state.vcpu);
  if (!v) return -ESRCH;
  if ((!state.size && !state.xfeature_mask) || !state.buffer.p) {
    state.xfeature_mask = kXfeatureMask;
    state.size = kXsaveHeader + xsave_bytes(kXfeatureMask);
    return 0;
  }
  const uint32_t area = xsave_bytes(v->xcr0_accum);
  if (state.size < kXsaveHeader + area || state.xfeature_mask != kXfeatureMask) return -EINVAL;
  auto* out = reinterpret_cast<uint8_t*>(state.buffer.p);
  memcpy(out, &v->xcr0, 8);
  memcpy(out + 8, &v->xcr0_accum, 8);
  memcpy(out + kXsaveHeader, v->xsave, area);
  state.size = kXsaveHeader + area;
  return 0;
}

int set_xsave(Domain& d, xen_domctl_vcpuextstate& state) {
  Vcpu* v = find_vcpu(d, state.vcpu);
  if (!v) return -ESRCH;
  if (state.size < kXsaveHeader || state.size > kXsaveHeader + xsave_bytes(kXfeatureMask))
    return -EINVAL;
  if (!state.buffer.p) return -EFAULT;
  uint64_t xcr0 = 0, accumulated = 0;
  const auto* in = reinterpret_cast<const uint8_t*>(state.buffer.p);
  memcpy(&xcr0, in, 8);
  memcpy(&accumulated, in + 8, 8);
  const auto bytes = static_cast<uint32_t>(state.size - kXsaveHeader);
  const uint8_t* area = in + kXsaveHeader;
  if (int rc = check_area(area, bytes, xcr0, accumulated)) return rc;
  if (bytes == 0) return 0;
  if (bytes != xsave_bytes(accumulated)) return -EINVAL;
  v->xcr0 = xcr0;
  v->xcr0_accum = accumulated;
  memcpy(v->xsave, area, bytes);
  return 0;
}

int get_msrs(Domain& d, xen_domctl_vcpu_msrs& msrs) {
  const Vcpu* v = find_vcpu(d, msrs.vcpu);
  if (!v) return -ESRCH;
  if (!msrs.msrs.p) {
    msrs.msr_count = 7;
    return 0;
  }
  uint32_t count = 0;
  for (unsigned i = 0; i < 7; ++i) {
    if (v->msrs[i] == 0) continue;
    if (count < msrs.msr_count) {
      xen_domctl_vcpu_msr_t& out = msrs.msrs.p[count];
      out.index = kVcpuMsrs[i];
      out.reserved = 0;
      out.value = v->msrs[i];
    }
    ++count;
  }
  const bool fits = count <= msrs.msr_count;
  msrs.msr_count = count;
  return fits ? 0 : -ENOBUFS;
}

int set_msrs(Domain& d, xen_domctl_vcpu_msrs& msrs) {
  Vcpu* v = find_vcpu(d, msrs.vcpu);
  if (!v) return -ESRCH;
  if (msrs.msr_count > 7) return -EINVAL;
  if (!msrs.msrs.p && msrs.msr_count) return -EFAULT;
  for (uint32_t n = 0; n < msrs.msr_count; ++n) {
    const xen_domctl_vcpu_msr_t& in = msrs.msrs.p[n];
    unsigned i = 0;
    while (i < 7 && kVcpuMsrs[i] != in.index) ++i;
    const bool unknown = i == 7;
    if (in.reserved || unknown || !good_msr(in.index, in.value)) {
      msrs.msr_count = n;  // the one that is at fault
      return unknown && !in.reserved ? release().unknown_msr : -EINVAL;
    }
    v->msrs[i] = in.value;
  }
  return 0;
}

}  // namespace ferry::sim
