// The program ferry-save-helper under `ferry save` and under xl, over a host in a file: killed at
// every call that it makes, or left alone by whoever started it, the guest runs on or can be
// brought back.
#include <fcntl.h>
#include <unistd.h>

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

}  // namespace
}  // namespace ferry::sim
