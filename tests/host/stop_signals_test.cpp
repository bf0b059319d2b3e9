// Which signals stop what is under way.
#include "host/stop_signals.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/eventfd.h>

#include "io/descriptor.h"

namespace ferry::host {
namespace {

class StopSignals : public ::testing::TestWithParam<int> {
 protected:
  void TearDown() override { signal(GetParam(), SIG_DFL); }

  bool happens_at_signal() {
    const Descriptor event(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    const SignalsHappen happen(event.get());
    raise(GetParam());
    eventfd_t count = 0;
    return eventfd_read(event.get(), &count) == 0;
  }
};

TEST_P(StopSignals, stops) {
  EXPECT_TRUE(happens_at_signal());
}

INSTANTIATE_TEST_SUITE_P(Each, StopSignals, ::testing::Values(SIGINT, SIGTERM, SIGHUP));

using HangUp = StopSignals;

TEST_P(HangUp, regression_is_nothing_to_a_program_that_nohup_started) {
  signal(SIGHUP, SIG_IGN);
  EXPECT_FALSE(happens_at_signal());
}

INSTANTIATE_TEST_SUITE_P(Ignored, HangUp, ::testing::Values(SIGHUP));

}  // namespace
}  // namespace ferry::host
