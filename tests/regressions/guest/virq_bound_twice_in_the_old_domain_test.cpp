// The toolstack can let the same domain go on without telling it. Its VIRQs were bound a second
// time, which Xen refuses, and that was a bug check; its IPIs were bound a second time, which Xen
// allows, and the first ports were lost.
#include <gtest/gtest.h>

#include "tests/guest/running.h"

namespace ferry {
namespace {

TEST(VirqBoundTwiceInTheOldDomain, ports_stand) {
  Running r;
  const auto before = r.t.domain.ports;
  EXPECT_EQ(r.suspend(AtSuspend::resume_in_place), suspend_result::resumed);
  EXPECT_EQ(r.t.domain.ports.size(), before.size());
  r.check_after();
}

TEST(VirqBoundTwiceInTheOldDomain, also_without_any_virq) {
  TestGuest t;
  t.booted();
  const int handle = t.g.ports.bind_ipi(0);
  const uint32_t port = t.g.ports.port_of(handle);
  const size_t bound = t.domain.ports.size();
  t.g.ports.resume();
  EXPECT_EQ(t.g.ports.port_of(handle), port);
  EXPECT_EQ(t.domain.ports.size(), bound);
  EXPECT_FALSE(t.domain.masked(port));
}

}  // namespace
}  // namespace ferry
