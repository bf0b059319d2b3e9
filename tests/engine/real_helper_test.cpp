// The program ferry-save-helper under `ferry save` and under xl, over a host in a file: killed at
// every call that it makes, or left alone by whoever started it, the guest runs on or can be
// brought back.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "host/stop_signals.h"
#include "tests/engine/promises.h"
#include "tests/engine/real_helper_fixture.h"

namespace ferry::sim {
namespace {

class RealHelperOfFerry : public RealHelper, public ::testing::WithParamInterface<bool> {
 protected:
  // Leaves a guest that runs as before, and nothing else.
  Result judge(Afterwards afterwards, const Ended& ended) {
    const Result result = expect_save_promise(*subject_, place_, afterwards, ended);
    EXPECT_TRUE(place_.clear()) << "a lock or a note is left";
    renew();
    return result;
  }
  void renew() {
    const uint32_t domid = subject_->domid();
    if (runs(host(), domid)) return;
    if (exists(host(), domid)) destroy_domain(host(), domid);
    subject_.emplace(host(), guest_for_the_helper());
  }
};

TEST_P(RealHelperOfFerry, can_be_killed_at_every_call) {
  const bool live = GetParam();
  uint64_t deaths = 0;
  for (uint64_t n = 1; !HasFailure(); ++n) {
    SCOPED_TRACE(fmt::format("killed at call {}", n));
    const Ended ended = save(Afterwards::keep, live, real_engine(file_, n));
    const Result result = judge(Afterwards::keep, ended);
    // Whoever ends this test, or hangs up its terminal, has the engine stop: it says so, and is
    // killed while it cleans up.
    ASSERT_FALSE(host::a_stop_signal_came()) << "this test was told to stop: " << ended.sentence;
    if (result == Result::done) break;
    EXPECT_EQ(result, Result::failed) << "nothing but the engine failed";
    EXPECT_NE(ended.sentence.find("signal 9"), std::string::npos) << ended.sentence;
    ++deaths;
  }
  EXPECT_GT(deaths, 80u);
  fmt::print("the engine was killed at {} calls\n", deaths);
}

INSTANTIATE_TEST_SUITE_P(Saves, RealHelperOfFerry, ::testing::Bool(),
                         [](const auto& way) { return way.param ? "live" : "suspended"; });

TEST_F(RealHelper, of_a_dead_ferry_leaves_the_guest_running) {
  for (const HelperMessage message : {HelperMessage::suspend, HelperMessage::complete}) {
    const int fd = open(place_.image().c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600);
    const HelperResult result = xl_save(file_, subject_->domid(), fd, false, xl(message));
    close(fd);
    EXPECT_EQ(result.exit_status, 1);
    EXPECT_FALSE(suspended());
    subject_->expect_intact();
    EXPECT_TRUE(place_.clear()) << "a note is left of a guest that runs";
  }
}

TEST_F(RealHelper, moves_a_guest_to_another_host) {
  const int fd = open(place_.image().c_str(), O_RDWR | O_CREAT, 0600);
  ASSERT_EQ(xl_save(file_, subject_->domid(), fd, true, xl()).retval, 0);
  const HostFile other{{.seed = 6, .frames = 4096}};
  const RestoreTarget target = create_target(other.host(), 300, 2);
  ASSERT_EQ(lseek(fd, 0, SEEK_SET), 0);
  const HelperResult restored = xl_restore(other, target, fd);
  ASSERT_EQ(restored.retval, 0) << restored.log;
  subject_->expect_arrived(
      other.host(), {target.domid, mfn_t(restored.store_mfn), mfn_t(restored.console_mfn), 0});
  close(fd);
}

// The stock helper, a script here, finds the stream as it was, and no signal blocked.
TEST_F(RealHelper, leaves_a_stream_of_libxc_to_the_stock_helper) {
  const std::string script = place_.image();
  std::ofstream(script) << "#!/bin/sh\n[ $(head -c 12 <&$2 | tail -c 4) = XENF ] || exit 1\n"
                           "grep -q '^SigBlk:.0*$' /proc/self/status && exit 42\n";
  chmod(script.c_str(), 0700);
  int stream[2];
  ASSERT_EQ(pipe(stream), 0);
  ASSERT_EQ(write(stream[1], "\xff\xff\xff\xff\xff\xff\xff\xffXENF", 12), 12);
  setenv("FERRY_STOCK_HELPER", script.c_str(), 1);
  const HelperResult result = xl_restore(file_, create_target(host(), 300, 1), stream[0]);
  unsetenv("FERRY_STOCK_HELPER");
  EXPECT_EQ(result.exit_status, 42);
  close(stream[0]);
  close(stream[1]);
}

}  // namespace
}  // namespace ferry::sim
