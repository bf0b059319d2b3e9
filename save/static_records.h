// The records before the pages: what the guest is, and where its p2m lies.
#pragma once

#include <vector>

#include "ferry/v1/image.pb.h"
#include "proto/record_writer.h"
#include "save/guest_view.h"
#include "save/pfn_set.h"

namespace ferry {

// Those that have a frame, as the p2m has it now. A guest that runs may change that a moment later:
// what counts them and what lists them has to have it from one look.
PfnSet populated_pfns(const GuestView& guest);

// nr_pfns: of the image, no fewer than the guest's.
v1::Head make_head(const Hypervisor& xen, const DomainInfo& domain, const GuestView& guest,
                   uint64_t nr_pfns, const PfnSet& populated);

// CpuPolicy, Populated and P2mFrames, the large ones split into several records.
void write_static_records(const Hypervisor& xen, const DomainInfo& domain, const GuestView& guest,
                          uint64_t nr_pfns, const PfnSet& populated, RecordWriter& writer);

// P2mFrames alone: again, when the guest has moved its p2m. Where the guest's view ends before
// nr_pfns, its last leaf stands for all of the rest.
void write_p2m_frames(const GuestView& guest, uint64_t nr_pfns, RecordWriter& writer);

v1::CpuPolicy make_cpu_policy(const Hypervisor& xen, domid_t domid);
v1::Tsc make_tsc(const Hypervisor& xen, domid_t domid);

// The page as it travels: no machine frame of this host is left in it.
v1::SharedInfo make_shared_info(const GuestView& guest);

}  // namespace ferry
