// The records before the pages: what the guest is, and where its p2m lies.
#include "save/static_records.h"

#include <algorithm>
#include <cstring>

#include "xen/cpu_policy.h"
#include "xen/tsc.h"
#include "xen/vcpu.h"

namespace ferry {
namespace {

// Runs or leaves in one record: at most 10 bytes each.
constexpr size_t kMaxNumbersPerRecord = 1 << 16;

std::string to_string(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

void write_cpu_policy(const Hypervisor& xen, domid_t domid, RecordWriter& writer) {
  v1::Record record;
  *record.mutable_cpu_policy() = make_cpu_policy(xen, domid);
  writer.write(std::move(record));
}

// (gap, count) runs of these pfns, as many records as it takes.
void write_populated(const PfnSet& populated, RecordWriter& writer) {
  v1::Record record;
  uint64_t end_of_last = 0;
  auto* runs = record.mutable_populated()->mutable_runs();
  auto flush = [&](uint64_t next_first) {
    if (!runs->empty()) writer.write(record);
    record.mutable_populated()->set_first_pfn(next_first);
    runs->Clear();
  };
  for (pfn_t first = populated.next(pfn_t(0)); first.raw() < populated.nr_pfns();) {
    pfn_t end = first;
    while (end.raw() < populated.nr_pfns() && populated.contains(end)) ++end;
    runs->Add(first.raw() - end_of_last);
    runs->Add(end.raw() - first.raw());
    end_of_last = end.raw();
    if (static_cast<size_t>(runs->size()) >= kMaxNumbersPerRecord) flush(end_of_last);
    first = populated.next(end);
  }
  flush(0);
}

void add_runs(const std::vector<pfn_t>& ascending,
              google::protobuf::RepeatedField<uint64_t>* runs) {
  uint64_t end_of_last = 0;
  for (size_t i = 0; i < ascending.size();) {
    const uint64_t first = ascending[i].raw();
    uint64_t n = first;
    while (i < ascending.size() && ascending[i].raw() == n) ++i, ++n;
    runs->Add(first - end_of_last);
    runs->Add(n - first);
    end_of_last = n;
  }
}

}  // namespace

PfnSet populated_pfns(const GuestView& guest) {
  PfnSet populated(guest.nr_pfns());
  mfn_t ignored;
  for (uint64_t n = 0; n < guest.nr_pfns(); ++n)
    if (guest.frame_of(pfn_t(n), ignored)) populated.add(pfn_t(n));
  return populated;
}

v1::Head make_head(const Hypervisor& xen, const DomainInfo& domain, const GuestView& guest,
                   uint64_t nr_pfns, const PfnSet& populated) {
  v1::Head head;
  head.set_guest_width(8);
  head.set_pt_levels(4);
  head.set_nr_pfns(nr_pfns);
  head.set_populated_pages(populated.count());
  head.set_max_vcpu_id(domain.max_vcpu_id);
  for (uint32_t id = 0; id <= domain.max_vcpu_id; ++id)
    if (vcpu_online(xen, domain.domid, id)) head.add_online_vcpus(id);
  head.set_linear_p2m(guest.published().linear());
  if (guest.published().linear()) head.set_p2m_vaddr(guest.published().p2m_vaddr);
  head.set_p2m_root_pfn(guest.root_pfn().raw());
  add_runs(guest.list_pfns(), head.mutable_stale_frame_lists());
  head.set_xen_major(xen.major());
  head.set_xen_minor(xen.minor());
  return head;
}

void write_p2m_frames(const GuestView& guest, uint64_t nr_pfns, RecordWriter& writer) {
  std::vector<pfn_t> leaves = guest.leaf_pfns();
  leaves.resize((nr_pfns + kP2mPerPage - 1) / kP2mPerPage, leaves.back());
  for (size_t first = 0; first < leaves.size(); first += kMaxNumbersPerRecord) {
    v1::Record record;
    auto* frames = record.mutable_p2m_frames();
    frames->set_first_leaf(first);
    const size_t end = std::min(leaves.size(), first + kMaxNumbersPerRecord);
    for (size_t i = first; i < end; ++i) frames->add_leaf_pfns(leaves[i].raw());
    writer.write(std::move(record));
  }
}

void write_static_records(const Hypervisor& xen, const DomainInfo& domain, const GuestView& guest,
                          uint64_t nr_pfns, const PfnSet& populated, RecordWriter& writer) {
  write_cpu_policy(xen, domain.domid, writer);
  write_populated(populated, writer);
  write_p2m_frames(guest, nr_pfns, writer);
}

v1::CpuPolicy make_cpu_policy(const Hypervisor& xen, domid_t domid) {
  const CpuPolicyBlobs blobs = get_cpu_policy(xen, domid);
  v1::CpuPolicy policy;
  policy.set_cpuid_leaves(to_string(blobs.cpuid_leaves));
  policy.set_msrs(to_string(blobs.msrs));
  return policy;
}

v1::Tsc make_tsc(const Hypervisor& xen, domid_t domid) {
  const TscInfo info = get_tsc(xen, domid);
  v1::Tsc tsc;
  tsc.set_mode(info.mode);
  tsc.set_nsec(info.nsec);
  tsc.set_khz(info.khz);
  tsc.set_incarnation(info.incarnation);
  return tsc;
}

v1::SharedInfo make_shared_info(const GuestView& guest) {
  char page[kPageSize];
  std::memcpy(page, guest.shared_info(), sizeof page);
  const uint64_t no_list = 0;
  const uint64_t root =
      guest.published().linear() ? guest.root_pfn().raw() << kPageShift : uint64_t{0};
  std::memcpy(page + kSharedInfoFrameListList, &no_list, sizeof no_list);
  std::memcpy(page + kSharedInfoP2mCr3, &root, sizeof root);
  v1::SharedInfo record;
  record.set_page(page, sizeof page);
  return record;
}

}  // namespace ferry
