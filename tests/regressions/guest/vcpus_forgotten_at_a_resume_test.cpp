// Only vCPUs that were online were registered again after a resume, some too late, and all were
// taken for up: runstate went into the void, and offlined vCPUs never came back.
#include <gtest/gtest.h>

#include "tests/guest/running.h"

namespace ferry {
namespace {

TEST(VcpusForgottenAtAResume, are_registered_each_and_only_those_up_come_up) {
  Running r;
  r.suspend(AtSuspend::new_domain);
  for (unsigned cpu = 0; cpu < TestKernel::kMaxCpus; ++cpu) {
    EXPECT_NE(r.t.domain.vcpus[cpu].info_mfn, 0u) << cpu;
    EXPECT_NE(r.t.domain.vcpus[cpu].runstate, 0u) << cpu;
    EXPECT_TRUE(r.t.domain.vcpus[cpu].up) << "a restored vCPU was up";
    EXPECT_FALSE(r.t.domain.vcpus[cpu].periodic_timer);
  }
  // One that was down in the same domain stays down.
  Running s;
  s.suspend(AtSuspend::resume_in_place);
  EXPECT_FALSE(s.t.domain.vcpus[Running::kOffline].up);
  EXPECT_NE(s.t.domain.vcpus[Running::kOffline].info_mfn, 0u);
}

}  // namespace
}  // namespace ferry
