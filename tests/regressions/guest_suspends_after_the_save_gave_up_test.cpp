// A guest took the request to suspend, but suspended only after the toolstack had given up waiting:
// the save had looked once, seen it running, and ended. Nobody resumed it. Where it does not
// suspend for a minute either, the operator was not told that it may yet.
#include <gtest/gtest.h>

#include "pipeline/seeded_executor.h"
#include "tests/engine/promises.h"

namespace ferry::sim {
namespace {

class GuestSuspendsAfterTheSaveGaveUp : public ::testing::Test {
 protected:
  GuestSuspendsAfterTheSaveGaveUp() {
    run_.request.domain = "web1";
    run_.request.file = place_.image();
    run_.guests = subject_.hooks();
    suspends_ = run_.guests.asked_to_suspend;
    run_.guests.asked_to_suspend = [](domid_t) {};
  }
  Ended save() { return run_save(*host_, *make_seeded_executor(1, 2), run_); }

  const Workplace place_;
  const std::unique_ptr<Host> host_ = Host::create({.seed = 3, .frames = 4096});
  ScratchSubject subject_{*host_, GuestSpec{.pages = 300}};
  std::function<void(domid_t)> suspends_;
  SaveRun run_;
};

TEST_F(GuestSuspendsAfterTheSaveGaveUp, and_is_resumed) {
  run_.guests.suspends_late = [&](domid_t domid) {
    suspends_(domid);
    return true;
  };
  const Ended ended = save();
  EXPECT_EQ(ended.error, Errc::guest) << ended.sentence;
  EXPECT_EQ(expect_save_promise(subject_, place_, run_.request.afterwards, ended), Result::failed);
}

TEST_F(GuestSuspendsAfterTheSaveGaveUp, or_not_at_all_and_the_operator_is_told) {
  run_.guests.suspends_late = [](domid_t) { return false; };
  ::testing::internal::CaptureStderr();
  const Ended ended = save();
  const std::string said = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(ended.error, Errc::guest) << ended.sentence;
  EXPECT_NE(said.find("try: ferry resume --force"), std::string::npos) << said;
  EXPECT_EQ(expect_save_promise(subject_, place_, run_.request.afterwards, ended), Result::failed);
}

}  // namespace
}  // namespace ferry::sim
