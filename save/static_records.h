// The records before the pages: what the guest is, and where its p2m lies.
#pragma once

#include <vector>

#include "ferry/v1/image.pb.h"
#include "proto/record_writer.h"
#include "save/guest_view.h"

namespace ferry {

v1::Head make_head(const Hypervisor& xen, const DomainInfo& domain, const GuestView& guest,
                   const std::vector<v1::Vcpu>& vcpus);

// CpuPolicy, Populated and P2mFrames, the large ones split into several records.
void write_static_records(const Hypervisor& xen, const DomainInfo& domain, const GuestView& guest,
                          RecordWriter& writer);

// The page as it travels: no machine frame of this host is left in it.
v1::SharedInfo make_shared_info(const GuestView& guest);

}  // namespace ferry
