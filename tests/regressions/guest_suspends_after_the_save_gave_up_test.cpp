// A guest took the request to suspend, but suspended only after the toolstack had given up waiting:
// the save had looked once, seen it running, and ended. Nobody resumed it.
#include <gtest/gtest.h>

#include "pipeline/seeded_executor.h"
#include "tests/engine/promises.h"

namespace ferry::sim {
namespace {

TEST(GuestSuspendsAfterTheSaveGaveUp, and_is_resumed) {
  const Workplace place;
  const auto host = Host::create({.seed = 3, .frames = 4096});
  GuestSpec spec;
  spec.pages = 300;
  ScratchSubject subject(*host, spec);
  SaveRun run;
  run.request.domain = "web1";
  run.request.file = place.image();
  run.guests = subject.hooks();
  run.guests.suspends_late = run.guests.asked_to_suspend;
  run.guests.asked_to_suspend = [](domid_t) {};
  const Ended ended = run_save(*host, *make_seeded_executor(1, 2), run);
  EXPECT_EQ(ended.error, Errc::guest) << ended.sentence;
  EXPECT_EQ(expect_save_promise(subject, place, run.request.afterwards, ended), Result::failed);
}

}  // namespace
}  // namespace ferry::sim
