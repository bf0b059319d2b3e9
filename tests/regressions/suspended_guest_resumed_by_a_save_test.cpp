// A guest that was suspended before its save is saved as it is. --keep and --pause resumed it all
// the same, although somebody else may have meant it to stay where it was.
#include <gtest/gtest.h>

#include "pipeline/seeded_executor.h"
#include "tests/engine/subjects.h"

namespace ferry::sim {
namespace {

TEST(SuspendedGuestResumedByASave, stays_as_it_was) {
  for (const auto afterwards : {Afterwards::keep, Afterwards::pause}) {
    const Workplace place;
    const auto host = Host::create({.seed = 3, .frames = 4096});
    GuestSpec spec;
    spec.pages = 300;
    ScratchSubject subject(*host, spec);
    subject.hooks().asked_to_suspend(domid_t{static_cast<uint16_t>(subject.domid())});
    SaveRun run;
    run.request.domain = "web1";
    run.request.file = place.image();
    run.request.afterwards = afterwards;
    run.guests = subject.hooks();
    const Ended ended = run_save(*host, *make_seeded_executor(1, 2), run);
    EXPECT_TRUE(ended.done()) << ended.sentence;
    EXPECT_TRUE(place.has_image());
    EXPECT_FALSE(runs(*host, subject.domid()));
    subject.expect_intact();
  }
}

}  // namespace
}  // namespace ferry::sim
