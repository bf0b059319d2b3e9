// Xen 4.20 says EBUSY, where 4.17 says EINVAL, to a vCPU that registers its vcpu_info a second
// time. A guest that went on in its old domain without being told took that for a refusal: it
// looked for events and for the address of a fault in shared_info, where Xen writes nothing any
// more.
#include <gtest/gtest.h>

#include "tests/guest/running.h"

namespace ferry {
namespace {

class VcpuInfoForgottenInTheOldDomain : public ::testing::TestWithParam<int64_t> {};

TEST_P(VcpuInfoForgottenInTheOldDomain, it_is_where_it_was_placed) {
  Running r(5, p2m_form::list);
  r.t.domain.already_placed = -GetParam();
  const uint64_t before = r.t.g.cpus.info_va(0);
  EXPECT_EQ(r.suspend(AtSuspend::resume_in_place), suspend_result::resumed);
  EXPECT_EQ(r.t.g.cpus.info_va(0), before);
}

INSTANTIATE_TEST_SUITE_P(EachRelease, VcpuInfoForgottenInTheOldDomain,
                         ::testing::Values(abi::kEinval, abi::kEbusy));

}  // namespace
}  // namespace ferry
