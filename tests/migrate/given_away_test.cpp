// A guest that is given away, and nobody knows yet whether it runs there: who may settle that, and
// how.
#include "migrate/ask_host.h"
#include "tests/migrate/migrate_fixture.h"

namespace ferry::sim {
namespace {

// A go that is lost leaves the guest given away here, and held there.
class GivenAway : public Migrate {
 protected:
  MigrationJob given_away() {
    const Ends whole = migrate();
    fresh();
    EXPECT_EQ(migrate(whole.frames_out - 1).sender, Errc::needs_operator);
    const std::vector<MigrationJob> open = open_jobs(true);
    EXPECT_EQ(open.size(), 1u);
    return open.empty() ? MigrationJob{} : open.front();
  }
  Ends settle(const MigrationJob& job) {
    JobJournal(job).write(job.source_state());  // it is read again under the job's lock
    return meet(kNeverCut, kNeverCut, [&](Link& link) {
      settle_sent_guest(from_->xen, from_->life, link, job, Wanted::anywhere);
    });
  }
  // What the other host has against the guest.
  std::vector<std::string> blockers() {
    const DevicesHere all = {[](const std::string&) { return true; },
                             [](const std::string&) { return true; }};
    const BindThread here(*from_->host);
    const auto question = question_about(from_->xen, from_->life, from_->life.find("web1"));
    const BindThread there(*to_->host);
    const auto said = answer(to_->xen, to_->life, all, question);
    return {said.blockers().begin(), said.blockers().end()};
  }
  void expect_not_settled(const Ends& ends) {
    EXPECT_EQ(ends.sender, Errc::needs_operator);
    EXPECT_NE(ends.sentence.find("belongs to somebody else"), std::string::npos) << ends.sentence;
    // Not to try the same again, which would be refused for ever.
    EXPECT_NE(ends.sentence.find("only if it surely never ran there, try: ferry job abort --force"),
              std::string::npos)
        << ends.sentence;
    EXPECT_TRUE(to_->running().empty());
    EXPECT_EQ(to_->domains(), 1u);
    EXPECT_EQ(open_jobs(false).size(), 1u);
  }
};

TEST_F(GivenAway, is_settled_by_nobody_who_does_not_know_its_secret) {
  const MigrationJob job = given_away();
  for (const std::string& guessed : {std::string(), std::string(32, 'x'), new_secret()}) {
    MigrationJob guess = job;
    guess.source_secret = guessed;
    EXPECT_TRUE(settle(guess).sender);
    EXPECT_TRUE(to_->running().empty());
  }
  EXPECT_FALSE(settle(job).sender);
  expect_runs(*to_, "settled by its source");
}

TEST_F(GivenAway, is_settled_by_no_other_host_of_the_authority) {
  caller_ = {"a", {"a.example"}};
  const MigrationJob job = given_away();
  for (const ferry::Caller& third :
       {ferry::Caller{"c", {"c.example"}}, ferry::Caller{"somebody", {}}}) {
    caller_ = third;
    expect_not_settled(settle(job));
  }
  caller_ = {"a", {"a.example", "new.example"}};  // its certificate was renewed
  EXPECT_FALSE(settle(job).sender);
  expect_runs(*to_, "settled with a renewed certificate");
}

TEST_F(GivenAway, is_not_settled_with_a_destination_that_does_not_know_its_secret) {
  MigrationJob job = given_away();
  job.destination_secret = new_secret();
  const Ends ends = settle(job);
  EXPECT_EQ(ends.sender, Errc::needs_operator);  // it is given away, and stands still here
  EXPECT_NE(ends.sentence.find("is not the host that job"), std::string::npos) << ends.sentence;
  EXPECT_TRUE(from_->running().empty());
}

TEST_F(GivenAway, keeps_another_job_of_the_same_guest_out_until_it_is_settled) {
  MigrationJob job = given_away();
  take_back_sent_guest(from_->xen, from_->life, job, true);
  job.state = static_cast<unsigned>(SourceState::taken_back);
  job.source_secret = new_secret();  // whoever has the guest now cannot show that it is his
  JobJournal(job).write(SourceState::taken_back);
  const Ends again = migrate();
  EXPECT_TRUE(again.sender);
  EXPECT_NE(again.sentence.find("from an earlier migration, job " + job.id), std::string::npos)
      << again.sentence;
  expect_runs(*from_, "refused");
}

TEST_F(GivenAway, leaves_nothing_in_the_way_of_another_job_once_it_is_taken_back) {
  const MigrationJob job = given_away();
  take_back_sent_guest(from_->xen, from_->life, job, true);
  const Ends again = migrate();
  EXPECT_FALSE(again.sender) << again.sentence;
  EXPECT_EQ(to_->domains(), 1u);
  expect_runs(*to_, "sent again");
}

// By xl create, from its configuration: beside what was sent, or beside what came.
TEST_F(GivenAway, regression_nothing_is_decided_while_it_is_started_again_on_either_side) {
  for (const bool at_source : {true, false}) {
    fresh();
    const MigrationJob job = given_away();
    const std::string config = from_->life.config_json(domid_t{job.domid});
    Place& place = at_source ? *from_ : *to_;
    const BindThread bind(*place.host);
    const domid_t first = place.life.create(config, "first").domid;  // has the number of the copy
    const domid_t again = place.life.create(config, "web1").domid;
    place.life.destroy(first);
    const Ends asked = settle(job);
    EXPECT_EQ(asked.sender, Errc::needs_operator);
    EXPECT_NE(asked.sentence.find("is the same guest"), std::string::npos) << asked.sentence;
    EXPECT_EQ(from_->domains() + to_->domains(), 3u);
    if (at_source) {
      EXPECT_THROW(take_back_sent_guest(from_->xen, from_->life, job, true), Error);
    }
    EXPECT_TRUE(from_->running().empty());
    place.life.destroy(again);
    EXPECT_FALSE(settle(job).sender);
    expect_runs(*to_, "settled when it was alone");
  }
}

// Who only asks hears the same: nobody is told to clear up what the migration itself would.
TEST_F(GivenAway, regression_is_in_nobodys_way_who_asks_once_it_is_taken_back) {
  const MigrationJob job = given_away();
  take_back_sent_guest(from_->xen, from_->life, job, true);
  EXPECT_EQ(blockers(), std::vector<std::string>{});
  EXPECT_EQ(to_->domains(), 1u) << "asking is not coming";
  MigrationJob other = job;
  other.source_secret = new_secret();  // whoever has the guest now cannot show that it is his
  JobJournal(other).write(SourceState::taken_back);
  const auto all = blockers();
  ASSERT_EQ(all.size(), 1u);
  EXPECT_NE(all.front().find("with ferry job resume " + job.id), std::string::npos) << all.front();
}

// Somebody has destroyed it here: nobody but an operator can say that the other copy shall run.
TEST_F(GivenAway, runs_there_by_force_if_it_is_gone_here) {
  const MigrationJob job = given_away();
  from_->life.destroy(from_->life.find("web1--migratedaway"));
  const Ends asked = settle(job);
  EXPECT_EQ(asked.sender, Errc::needs_operator);
  EXPECT_NE(asked.sentence.find("try: ferry job resume --force " + job.id), std::string::npos)
      << asked.sentence;
  EXPECT_TRUE(to_->running().empty());
  const Ends forced = meet(kNeverCut, kNeverCut, [&](Link& link) {
    settle_sent_guest(from_->xen, from_->life, link, job, Wanted::there_by_force);
  });
  EXPECT_FALSE(forced.sender) << forced.sentence;
  EXPECT_EQ(to_->running(), std::vector<std::string>{"web1"});
  EXPECT_TRUE(open_jobs(true).empty());
}

TEST_F(GivenAway, never_runs_there_once_its_copy_has_vanished) {
  const MigrationJob job = given_away();
  to_->life.destroy(to_->life.find("web1--incoming"));
  EXPECT_FALSE(settle(job).sender);
  expect_runs(*from_, "its copy vanished");
}

TEST_F(GivenAway, comes_back_when_its_name_is_taken_there) {
  const MigrationJob job = given_away();
  KernelSpec spec;
  spec.pages = 100;
  auto other = SimKernel::create(*to_->host, spec);
  to_->host->find_domain(other->domid())->handle[0] ^= 1;  // another guest
  to_->life.rename(domid_t{other->domid()}, "web1");
  settle(job);
  EXPECT_TRUE(open_jobs(true).empty());
  expect_runs(*from_, "its name was taken there");
  EXPECT_EQ(to_->domains(), 1u);
}

}  // namespace
}  // namespace ferry::sim
