// What somebody else does to a guest while it is saved or moved: nobody's work is undone by
// mistake, and no guest that runs is destroyed.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include "custody/guest_custody.h"
#include "custody/suspend_mark.h"
#include "migrate/send_guest.h"
#include "tests/custody/in_custody.h"

namespace ferry::sim {
namespace {

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
