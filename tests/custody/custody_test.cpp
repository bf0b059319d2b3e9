// What somebody else does to a guest while it is saved or moved: nobody's work is undone by
// mistake, and no guest that runs is destroyed.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include "base_pages/base_pages.h"
#include "custody/guest_custody.h"
#include "custody/left_image.h"
#include "custody/suspend_mark.h"
#include "files/held_files.h"
#include "host/check_guest.h"
#include "migrate/send_guest.h"
#include "pipeline/seeded_executor.h"
#include "sim/seam/binding.h"
#include "tests/engine/promises.h"

namespace ferry::sim {
namespace {

GuestSpec small_guest() {
  GuestSpec spec;
  spec.pages = 300;
  return spec;
}

class InCustody : public ::testing::Test {
 protected:
  void SetUp() override { setenv("FERRY_STATE_DIR", (jobs_.image() + ".jobs").c_str(), 1); }

  domid_t domid() const { return domid_t{static_cast<uint16_t>(subject_.domid())}; }
  void somebody_resumes() { resume_domain(*host_, subject_.domid()); }

  Ended save(Afterwards afterwards, const std::function<void()>& engine_ended) {
    SaveRun run;
    run.request.domain = "web1";
    run.request.file = place_.image();
    run.request.afterwards = afterwards;
    run.guests = subject_.hooks();
    run.engine_ended = engine_ended;
    return run_save(*host_, *executor_, run);
  }

  // before_it_counts: before the image has its name, and again before the guest goes.
  Ended save_asking(const std::function<void()>& before_it_counts) {
    SaveRun run;
    run.request.domain = "web1";
    run.request.file = place_.image();
    run.request.check_base = before_it_counts;
    run.guests = subject_.hooks();
    return run_save(*host_, *executor_, run);
  }

  MigrationJob job(SourceState state) const {
    HostLock lock(*host_);
    const Domain& d = *host_->find_domain(static_cast<DomainNumber>(subject_.domid()));
    MigrationJob job;
    job.id = new_job_id();
    job.state = static_cast<unsigned>(state);
    job.name = "web1";
    job.uuid.assign(reinterpret_cast<const char*>(d.handle), sizeof d.handle);
    job.peer.text = "the other host";
    return job;
  }

  Workplace place_;
  Workplace jobs_;
  std::unique_ptr<Host> host_ = Host::create({.seed = 3, .frames = 4096});
  std::unique_ptr<Executor> executor_ = make_seeded_executor(1, 2);
  ScratchSubject subject_{*host_, small_guest()};
};

TEST_F(InCustody, a_guest_that_somebody_resumed_is_not_destroyed_for_its_old_image) {
  const Ended ended = save(Afterwards::destroy, [&] { somebody_resumes(); });
  EXPECT_EQ(ended.exit_status(), 1) << ended.sentence;
  EXPECT_NE(ended.sentence.find("resumed by somebody else"), std::string::npos) << ended.sentence;
  EXPECT_TRUE(runs(*host_, subject_.domid()));
  EXPECT_FALSE(place_.has_image());
}

TEST_F(InCustody, nor_one_that_somebody_resumed_and_suspended_again) {
  const Ended ended = save(Afterwards::destroy, [&] {
    somebody_resumes();
    subject_.hooks().asked_to_suspend(domid());
  });
  // It runs nowhere, so it is for the operator.
  EXPECT_EQ(ended.exit_status(), 4) << ended.sentence;
  EXPECT_NE(ended.sentence.find("only if it surely does not run there, try: ferry resume --force"),
            std::string::npos)
      << ended.sentence;
  EXPECT_TRUE(exists(*host_, subject_.domid()));
  EXPECT_FALSE(runs(*host_, subject_.domid())) << "what another one has suspended was resumed";
  EXPECT_FALSE(place_.has_image());
}

// Both would be destroyed, for one image.
TEST_F(InCustody, regression_of_two_saves_into_one_file_the_second_touches_nothing) {
  const ScratchGuest other = build_running_guest(*host_, small_guest(), "web2");
  std::optional<Ended> second;
  const Ended first = save(Afterwards::destroy, [&] {
    SaveRun run;
    run.request.domain = "web2";
    run.request.file = place_.image();
    run.guests = subject_.hooks();
    second = run_save(*host_, *executor_, run);
  });
  EXPECT_TRUE(first.done()) << first.sentence;
  EXPECT_TRUE(place_.has_image());
  ASSERT_TRUE(second);
  EXPECT_EQ(second->error, Errc::busy) << second->sentence;
  EXPECT_NE(second->sentence.find("another save writes to it"), std::string::npos);
  EXPECT_TRUE(runs(*host_, static_cast<uint32_t>(other.domid)));
}

TEST_F(InCustody, regression_a_save_takes_no_image_away_that_came_meanwhile) {
  const Ended ended =
      save(Afterwards::destroy, [&] { std::ofstream(place_.image()) << "another guest"; });
  EXPECT_EQ(ended.exit_status(), 1) << ended.sentence;
  EXPECT_NE(ended.sentence.find("is not what it was"), std::string::npos) << ended.sentence;
  EXPECT_TRUE(runs(*host_, subject_.domid()));
  std::string left;
  std::getline(std::ifstream(place_.image()), left);
  EXPECT_EQ(left, "another guest");
}

// It was destroyed for an image that was gone.
TEST_F(InCustody, regression_a_guest_is_not_destroyed_for_an_image_that_somebody_has_removed) {
  for (const bool removed : {true, false}) {
    const Ended ended = save_asking([&] {
      if (!place_.has_image()) return;
      if (removed)
        std::filesystem::remove(place_.image());
      else
        std::ofstream(place_.image()) << "something else";
    });
    EXPECT_EQ(ended.exit_status(), 1) << ended.sentence;
    EXPECT_NE(ended.sentence.find("somebody has removed or changed it; web1 runs on here"),
              std::string::npos)
        << ended.sentence;
    EXPECT_TRUE(runs(*host_, subject_.domid()));
  }
}

TEST_F(InCustody, a_guest_that_somebody_destroyed_leaves_its_image) {
  const Ended ended = save(Afterwards::destroy, [&] {
    if (exists(*host_, subject_.domid())) destroy_domain(*host_, subject_.domid());
  });
  EXPECT_EQ(ended.exit_status(), 4) << ended.sentence;
  EXPECT_TRUE(place_.has_image()) << "the last copy";
  EXPECT_NE(ended.sentence.find("somebody has destroyed web1"), std::string::npos)
      << ended.sentence;
  EXPECT_NE(ended.sentence.find("try: ferry restore " + place_.image()), std::string::npos)
      << ended.sentence;
}

// It was said to be safe, and its page tables to be wrong.
TEST_F(InCustody, regression_a_guest_that_is_destroyed_while_its_pages_are_written_is_said_to_be) {
  SaveRun run;
  run.request.domain = "web1";
  run.request.file = place_.image();
  run.guests = subject_.hooks();
  run.instead = [&](domid_t, int, const EngineOptions&, const EngineCallbacks& callbacks) {
    callbacks.suspend();
    destroy_domain(*host_, subject_.domid());
    fail(Errc::guest, "page 0x41e of the guest cannot be saved");
  };
  const Ended ended = run_save(*host_, *executor_, run);
  EXPECT_EQ(ended.exit_status(), 4) << ended.sentence;
  EXPECT_NE(ended.sentence.find("it is not here any more, and there is no image of it"),
            std::string::npos)
      << ended.sentence;
  EXPECT_FALSE(place_.has_image());
}

TEST_F(InCustody, another_guest_with_the_number_is_left_alone) {
  const BindThread bind(*host_);
  const Hypervisor xen;
  SimLifecycle life(*host_, xen, subject_.hooks());
  GuestCustody custody(xen, life, domid());
  custody.suspend();
  {
    HostLock lock(*host_);
    host_->find_domain(static_cast<DomainNumber>(subject_.domid()))->handle[0] ^= 1;
  }
  EXPECT_FALSE(custody.there());
  EXPECT_THROW(custody.check_untouched(), Error);
  custody.give_back();
  EXPECT_FALSE(runs(*host_, subject_.domid()));
}

TEST_F(InCustody, a_guest_that_was_never_asked_is_not_resumed) {
  const BindThread bind(*host_);
  const Hypervisor xen;
  SimLifecycle life(*host_, xen, subject_.hooks());
  life.suspend(domid());
  {
    GuestCustody custody(xen, life, domid());
    custody.give_back();
  }
  EXPECT_FALSE(runs(*host_, subject_.domid()));
}

TEST_F(InCustody, a_guest_that_the_operator_renamed_comes_back) {
  const BindThread bind(*host_);
  const Hypervisor xen;
  SimLifecycle life(*host_, xen, subject_.hooks());
  const MigrationJob open = job(SourceState::sending);
  JobJournal(open).write(SourceState::sending);
  life.suspend(domid());
  leave_suspend_mark(domid(), get_domain(xen, domid()).uuid, open.id);
  life.rename(domid(), "web1-old");
  take_back_sent_guest(xen, life, open, false);
  EXPECT_TRUE(runs(*host_, subject_.domid()));
  EXPECT_EQ(life.name(domid()), "web1-old");
}

TEST_F(InCustody, a_guest_that_is_gone_is_not_said_to_run) {
  const BindThread bind(*host_);
  const Hypervisor xen;
  SimLifecycle life(*host_, xen, subject_.hooks());
  const MigrationJob open = job(SourceState::sending);
  JobJournal(open).write(SourceState::sending);
  life.destroy(domid());
  EXPECT_THROW(take_back_sent_guest(xen, life, open, false), Error);
}

TEST_F(InCustody, names_are_given_once_as_xenstored_does) {
  const BindThread bind(*host_);
  const Hypervisor xen;
  SimLifecycle life(*host_, xen, subject_.hooks());
  const ScratchGuest other = build_running_guest(*host_, small_guest(), "web2");
  EXPECT_THROW(life.rename(domid(), "web2"), Error);
  EXPECT_EQ(life.name(domid()), "web1");
  EXPECT_FALSE(life.find_if_there("web3"));
  EXPECT_EQ(life.find_if_there("web2"), domid_t{static_cast<uint16_t>(other.domid)});
  EXPECT_THROW(life.find("web3"), Error);
}

TEST_F(InCustody, one_at_a_time_has_a_guest) {
  const BindThread bind(*host_);
  const Hypervisor xen;
  SimLifecycle life(*host_, xen, subject_.hooks());
  GuestCustody custody(xen, life, domid());
  custody.suspend();
  const Ended second = save(Afterwards::destroy, {});
  EXPECT_EQ(second.error, Errc::busy) << second.sentence;
  const Ended resumed =
      run_named(*host_, fmt::format("ferry resume {}", raw(domid())), subject_.hooks());
  EXPECT_EQ(resumed.error, Errc::busy) << resumed.sentence;
  EXPECT_FALSE(runs(*host_, subject_.domid()));
  custody.give_back();
  EXPECT_TRUE(runs(*host_, subject_.domid()));
}

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
  const auto notes = host::check_guest(xen, life, "web1").notes;
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_NE(notes[0].find("if nobody has restored it from " + earlier_), std::string::npos)
      << notes[0];
  const std::string named = fmt::format("try: ferry resume {}", raw(domid()));
  EXPECT_TRUE(notes[0].ends_with(named)) << "another guest may have that name: " << notes[0];
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
  std::filesystem::remove(earlier_);
  EXPECT_NO_THROW(refuse_left_image(domain));
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

int oom_score() {
  int score = 0;
  std::ifstream("/proc/self/oom_score_adj") >> score;
  return score;
}

// Whoever runs this may be allowed to take back only what it was raised to.
TEST_F(InCustody, its_process_outlives_others_when_memory_runs_out) {
  const int before = oom_score(), raised = 300;
  std::ofstream("/proc/self/oom_score_adj") << raised;
  ASSERT_EQ(oom_score(), raised);
  const BindThread bind(*host_);
  const Hypervisor xen;
  SimLifecycle life(*host_, xen, subject_.hooks());
  {
    GuestCustody custody(xen, life, domid());
    EXPECT_EQ(oom_score(), raised) << "the guest runs";
    custody.suspend();
    EXPECT_LE(oom_score(), 0);
    custody.give_back();
    EXPECT_EQ(oom_score(), raised) << "the guest runs again";
    custody.suspend();
  }
  EXPECT_EQ(oom_score(), raised) << "it is nobody's any more";
  {
    GuestCustody custody(xen, life, domid());
    EXPECT_LE(oom_score(), 0) << "the guest was suspended already";
    std::optional<GuestCustody> moved(std::move(custody));
    EXPECT_LE(oom_score(), 0);
  }
  EXPECT_EQ(oom_score(), raised);
  std::ofstream("/proc/self/oom_score_adj") << before;
}

}  // namespace
}  // namespace ferry::sim
