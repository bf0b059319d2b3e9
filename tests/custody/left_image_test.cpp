// What becomes of the image of a save that was killed when it had its name, and of its guest.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "base_pages/base_pages.h"
#include "custody/guest_custody.h"
#include "custody/left_image.h"
#include "custody/suspend_mark.h"
#include "files/held_files.h"
#include "host/check_guest.h"
#include "migrate/open_job.h"
#include "tests/custody/in_custody.h"
#include "xen/foreign_mapping.h"

namespace ferry::sim {
namespace {

// A save that was killed when its image had its name and its guest was not destroyed yet.
class AfterABrokenSave : public InCustody {
 protected:
  void SetUp() override {
    InCustody::SetUp();
    const BindThread bind(*host_);
    const Hypervisor xen;
    SimLifecycle life(*host_, xen, subject_.hooks());
    GuestCustody custody(xen, life, domid());
    custody.suspend();
    std::ofstream(earlier_) << "an image";
    const Descriptor file(open(earlier_.c_str(), O_RDONLY | O_CLOEXEC));
    custody.about_to_count(named_file(file.get(), earlier_));
  }
  ~AfterABrokenSave() override { std::filesystem::remove(earlier_); }

  Ended save_delta(Afterwards afterwards) {
    SaveRun run;
    run.request.domain = "web1";
    run.request.file = place_.image();
    run.request.afterwards = afterwards;
    run.request.base = base_.fd();
    run.guests = subject_.hooks();
    return run_save(*host_, *executor_, run);
  }

  bool earlier_is_there() const { return std::filesystem::exists(earlier_); }
  Ended resume() {
    return run_named(*host_, fmt::format("ferry resume {}", raw(domid())), subject_.hooks());
  }

  const std::string earlier_ = place_.image() + ".earlier";
  BasePages base_ = [] {
    BasePages base = BasePages::make(4096);
    base.finish(0, {});
    return base;
  }();
};

// Whoever lets the guest go on has to know that it may run elsewhere, out of that image.
TEST_F(AfterABrokenSave, regression_a_look_at_the_guest_names_its_image) {
  const BindThread bind(*host_);
  const Hypervisor xen;
  SimLifecycle life(*host_, xen, subject_.hooks());
  const auto blockers = host::check_guest(xen, life, "web1").blockers;
  ASSERT_EQ(blockers.size(), 1u);
  EXPECT_NE(blockers[0].find("when the guest was in " + earlier_), std::string::npos)
      << blockers[0];
  const std::string named = fmt::format("try: ferry resume {}", raw(domid()));
  EXPECT_TRUE(blockers[0].ends_with(named)) << "another guest may have that name: " << blockers[0];
}

// It was saved, and could be restored from both images.
TEST_F(AfterABrokenSave, regression_no_save_takes_it_unasked) {
  for (const Afterwards afterwards : {Afterwards::destroy, Afterwards::keep, Afterwards::pause}) {
    SaveRun run;
    run.request.domain = "web1";
    run.request.file = place_.image();
    run.request.afterwards = afterwards;
    run.request.refuse_claimed = refuse_claimed;
    run.guests = subject_.hooks();
    const Ended ended = run_save(*host_, *executor_, run);
    EXPECT_EQ(ended.exit_status(), 4) << ended.sentence;
    EXPECT_NE(ended.sentence.find("if somebody has restored that"), std::string::npos)
        << ended.sentence;
    EXPECT_TRUE(ended.sentence.ends_with(fmt::format("try: ferry resume {}", raw(domid()))))
        << ended.sentence;
    EXPECT_FALSE(place_.has_image());
    EXPECT_TRUE(earlier_is_there());
    EXPECT_FALSE(runs(*host_, subject_.domid()));
    if (afterwards != Afterwards::pause) continue;
    EXPECT_TRUE(resume().done());
    const Ended saved = run_save(*host_, *executor_, run);
    EXPECT_TRUE(saved.done()) << saved.sentence;
  }
}

// It was migrated, and ran on the third host as well as where its image had been restored.
TEST_F(AfterABrokenSave, regression_no_migration_lets_it_run_unasked) {
  const BindThread bind(*host_);
  const Hypervisor xen;
  const DomainInfo domain = get_domain(xen, domid());
  try {
    refuse_left_image(domain);
    ADD_FAILURE() << "it is not refused";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::needs_operator);
    EXPECT_NE(std::string(e.what()).find(earlier_), std::string::npos) << e.what();
  }
}

// Its image was moved to where it was restored, and what was left here migrated: it ran twice.
TEST_F(AfterABrokenSave, regression_it_is_refused_although_its_image_has_gone_elsewhere) {
  std::filesystem::remove(earlier_);
  const BindThread bind(*host_);
  const Hypervisor xen;
  try {
    refuse_claimed(xen, get_domain(xen, domid()));
    ADD_FAILURE() << "it is not refused";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::needs_operator);
    EXPECT_NE(std::string(e.what()).find("not there any more"), std::string::npos) << e.what();
  }
  EXPECT_TRUE(resume().done());
  EXPECT_NO_THROW(refuse_claimed(xen, get_domain(xen, domid())));
}

// Killed while it destroyed the guest: what was left was said to be suspended, and resumed.
TEST_F(AfterABrokenSave, regression_one_that_is_being_destroyed_is_called_so) {
  const BindThread bind(*host_);
  const Hypervisor xen;
  SimLifecycle life(*host_, xen, subject_.hooks());
  const mfn_t frame = get_domain(xen, domid()).shared_info;
  const ForeignMapping held(xen, domid(), PROT_READ, {&frame, 1}, "a page");
  life.destroy(domid());
  const DomainInfo dying = get_domain(xen, domid());
  ASSERT_TRUE(dying.dying);
  EXPECT_NO_THROW(refuse_claimed(xen, dying)) << "check_can_save() says what it is";
  const Ended resumed = resume();
  EXPECT_EQ(resumed.exit_status(), 1);
  EXPECT_NE(resumed.sentence.find("is being destroyed"), std::string::npos) << resumed.sentence;
}

TEST_F(AfterABrokenSave, its_image_goes_when_the_guest_goes_into_another) {
  const Ended ended = save(Afterwards::destroy, {});
  EXPECT_TRUE(ended.done()) << ended.sentence;
  EXPECT_FALSE(earlier_is_there());
  EXPECT_TRUE(place_.has_image());
}

// The delta would be all that is left of the guest, and cannot be read alone.
TEST_F(AfterABrokenSave, regression_its_image_stays_when_the_guest_goes_into_a_delta_of_it) {
  const Ended ended = save_delta(Afterwards::destroy);
  EXPECT_TRUE(ended.done()) << ended.sentence;
  EXPECT_TRUE(earlier_is_there());
  EXPECT_TRUE(place_.has_image());
}

TEST_F(AfterABrokenSave, regression_nor_does_it_go_when_the_guest_is_kept_and_resumed) {
  const Ended ended = save_delta(Afterwards::keep);
  EXPECT_TRUE(ended.done()) << ended.sentence;
  const Ended resumed = resume();
  EXPECT_TRUE(resumed.done()) << resumed.sentence;
  EXPECT_TRUE(runs(*host_, subject_.domid()));
  EXPECT_TRUE(earlier_is_there());
}

// Another guest's, a clone's say: it was lost with the image.
TEST_F(AfterABrokenSave, regression_nor_does_it_go_when_another_guest_is_in_a_delta_of_it) {
  {
    const Descriptor file(open(earlier_.c_str(), O_RDONLY | O_CLOEXEC));
    HeldFiles held;
    held.hold(file.get(), earlier_);
    held.note_built_upon();
  }
  testing::internal::CaptureStderr();
  const Ended resumed = resume();
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_TRUE(resumed.done()) << resumed.sentence;
  EXPECT_TRUE(earlier_is_there());
  EXPECT_NE(said.find("must not be restored"), std::string::npos) << said;
}

// Killed when all of it was in the pipe: the reader had a whole image, and nobody was told.
class IntoAStream : public InCustody, public testing::WithParamInterface<bool> {};

TEST_P(IntoAStream, regression_what_is_written_is_noted_from_the_suspension_on) {
  if (GetParam()) {  // a save that was broken off has suspended it before
    const BindThread bind(*host_);
    const Hypervisor xen;
    SimLifecycle life(*host_, xen, subject_.hooks());
    GuestCustody(xen, life, domid()).suspend();
  }
  const std::string fifo = place_.image() + ".fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  std::thread reader([&] {
    std::ifstream in(fifo, std::ios::binary);
    std::ostringstream() << in.rdbuf();
  });
  std::string refused;
  SaveRun run;
  run.request.domain = "web1";
  run.request.file = fifo;
  run.request.afterwards = Afterwards::destroy;
  run.guests = subject_.hooks();
  run.engine_ended = [&] {
    const BindThread bind(*host_);
    const Hypervisor xen;
    try {
      refuse_left_image(get_domain(xen, domid()));
    } catch (const Error& e) {
      refused = e.what();
    }
  };
  const Ended ended = run_save(*host_, *executor_, run);
  reader.join();
  EXPECT_TRUE(ended.done()) << ended.sentence;
  EXPECT_NE(refused.find("in " + fifo + ", or about to be, where somebody may have read"),
            std::string::npos)
      << refused;
  std::filesystem::remove(fifo);
}

INSTANTIATE_TEST_SUITE_P(Suspended, IntoAStream, testing::Bool());

// It was removed first; where the other one then got no name, none was left.
TEST_F(AfterABrokenSave, regression_its_image_stays_until_the_next_one_has_its_name) {
  const Ended ended =
      save(Afterwards::destroy, [&] { std::ofstream(place_.image()) << "another guest"; });
  EXPECT_EQ(ended.exit_status(), 1) << ended.sentence;
  EXPECT_FALSE(runs(*host_, subject_.domid()));
  EXPECT_TRUE(earlier_is_there());
  testing::internal::CaptureStderr();
  const Ended resumed = resume();
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_TRUE(resumed.done()) << resumed.sentence;
  EXPECT_FALSE(earlier_is_there()) << "older than the guest now";
  EXPECT_EQ(said.find(place_.image() + ":"), std::string::npos) << said;
}

// Killed before the next one had its name, between that and when this one would have gone, and
// afterwards.
TEST_F(AfterABrokenSave, regression_no_image_is_left_of_two_broken_saves_when_the_guest_goes_on) {
  const std::string next = place_.image();
  for (const bool is_named : {false, true})
    for (const bool earlier_is_left : {true, false}) {
      SCOPED_TRACE(fmt::format("{} {}", is_named, earlier_is_left));
      if (!is_named && !earlier_is_left) continue;
      std::filesystem::remove(earlier_);
      SetUp();
      std::ofstream(next) << "the next image";
      {
        const BindThread bind(*host_);
        const Hypervisor xen;
        SimLifecycle life(*host_, xen, subject_.hooks());
        GuestCustody custody(xen, life, domid());
        const Descriptor file(open(next.c_str(), O_RDONLY | O_CLOEXEC));
        custody.about_to_count(named_file(file.get(), next));
        EXPECT_TRUE(earlier_is_there());
      }
      if (!is_named) std::filesystem::remove(next);
      if (!earlier_is_left) std::filesystem::remove(earlier_);
      const Ended resumed = resume();
      EXPECT_TRUE(resumed.done()) << resumed.sentence;
      EXPECT_FALSE(earlier_is_there());
      EXPECT_FALSE(place_.has_image());
    }
}

// Under the same name, too.
TEST_F(AfterABrokenSave, regression_one_that_was_to_be_replaced_goes_when_the_guest_goes_on) {
  const BindThread bind(*host_);
  const Hypervisor xen;
  SimLifecycle life(*host_, xen, subject_.hooks());
  {
    GuestCustody custody(xen, life, domid());
    std::ofstream(place_.image()) << "the next image";
    const Descriptor file(open(place_.image().c_str(), O_RDONLY | O_CLOEXEC));
    custody.about_to_count(named_file(file.get(), earlier_));
  }
  EXPECT_TRUE(resume().done());
  EXPECT_FALSE(earlier_is_there());
}

// Killed between the name that a file has until it is whole and its own: it stayed, sound and old.
TEST_F(AfterABrokenSave, regression_one_that_had_not_got_its_name_goes_too) {
  const std::string until_then = earlier_ + ".4711-2";
  std::filesystem::rename(earlier_, until_then);
  testing::internal::CaptureStderr();
  const Ended resumed = resume();
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_TRUE(resumed.done()) << resumed.sentence;
  EXPECT_FALSE(std::filesystem::exists(until_then));
  EXPECT_NE(said.find(earlier_ + " is removed"), std::string::npos) << said;
  EXPECT_EQ(said.find("not any more"), std::string::npos) << said;
}

// It was said to have an image of the guest, and whoever removed it removed another guest's only
// one.
TEST_F(AfterABrokenSave, regression_what_was_written_to_since_is_not_called_its_image) {
  std::ofstream(earlier_, std::ios::app) << "another guest's";
  testing::internal::CaptureStderr();
  const Ended resumed = resume();
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_TRUE(resumed.done()) << resumed.sentence;
  EXPECT_TRUE(earlier_is_there());
  EXPECT_NE(said.find("was written to since"), std::string::npos) << said;
}

TEST_F(AfterABrokenSave, regression_one_that_was_moved_is_spoken_of) {
  const std::string moved = earlier_ + ".moved";
  std::filesystem::rename(earlier_, moved);
  testing::internal::CaptureStderr();
  const Ended resumed = resume();
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_TRUE(resumed.done()) << resumed.sentence;
  EXPECT_NE(said.find(earlier_ + ": "), std::string::npos) << said;
  EXPECT_NE(said.find("not any more"), std::string::npos) << said;
  EXPECT_NE(said.find("must not be restored"), std::string::npos) << said;
  std::filesystem::remove(moved);
}

}  // namespace
}  // namespace ferry::sim
