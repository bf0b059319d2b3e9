// A live save that runs is found, asked and steered by its domain.
#include "host/running_save.h"

#include <gtest/gtest.h>

#include <atomic>
#include <fstream>

#include "error/error.h"
#include "host/control_socket.h"
#include "save/live/control.h"
#include "tests/files/folder.h"

namespace ferry::host {
namespace {

class RunningSaves : public ::testing::Test {
 protected:
  void SetUp() override { setenv("FERRY_RUN_DIR", folder_.path("run").c_str(), 1); }
  void TearDown() override { unsetenv("FERRY_RUN_DIR"); }

  TestFolder folder_;
  LiveControl control_;
  std::atomic<int> stops_{0};
};

TEST_F(RunningSaves, are_found_asked_and_steered) {
  EXPECT_TRUE(RunningSave::all().empty());
  EXPECT_FALSE(RunningSave::of(domid_t{7}));
  helper::ControlSocket socket(control_path(domid_t{7}), control_, [this] { ++stops_; });
  std::ofstream(folder_.path("run") + "/domain-9.control") << "no socket";
  std::ofstream(folder_.path("run") + "/domain-7.lock");

  ASSERT_EQ(RunningSave::all().size(), 1u);
  EXPECT_EQ(RunningSave::all().front().domid(), domid_t{7});
  const auto save = RunningSave::of(domid_t{7});
  ASSERT_TRUE(save);
  LiveProgress progress;
  progress.phase = "sending";
  progress.round = 2;
  progress.pages_left = 256;
  socket.update(progress);
  const auto status = save->ask("status");
  EXPECT_EQ(status["phase"], "sending");
  EXPECT_EQ(status["memory_iteration"], 2);
  EXPECT_EQ(status["memory_remaining"], 1 << 20);
  save->ask("set bandwidth 5");
  EXPECT_EQ(control_.bytes_per_second, 5u << 20);
  save->ask("set max_downtime 40");
  EXPECT_EQ(control_.max_downtime_us, 40'000u);
  save->ask("cancel");
  EXPECT_EQ(stops_, 1);
  EXPECT_THROW(save->ask("reboot"), Error);
}

TEST_F(RunningSaves, that_have_ended_say_so) {
  std::optional<RunningSave> save;
  {
    helper::ControlSocket socket(control_path(domid_t{7}), control_, [] {});
    save = RunningSave::of(domid_t{7});
  }
  ASSERT_TRUE(save);
  EXPECT_THROW(save->ask("status"), Error);
  EXPECT_TRUE(RunningSave::all().empty());
}

}  // namespace
}  // namespace ferry::host
