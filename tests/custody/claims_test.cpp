// Whose a domain is that has the uuid of the guest of an open job: the job's own, or a second one.
#include <cstring>

#include "custody/host_boot.h"
#include "migrate/open_job.h"
#include "tests/custody/in_custody.h"

namespace ferry::sim {
namespace {

class Claims : public InCustody {
 protected:
  void SetUp() override {
    InCustody::SetUp();
    const HostLock lock(*host_);
    memcpy(host_->find_domain(static_cast<DomainNumber>(second_.domid()))->handle,
           host_->find_domain(static_cast<DomainNumber>(subject_.domid()))->handle,
           sizeof(DomainUuid));
  }
  domid_t second() const { return domid_t{static_cast<uint16_t>(second_.domid())}; }

  MigrationJob sent(SourceState state) const {
    MigrationJob sent = job(state);
    sent.domid = static_cast<uint16_t>(subject_.domid());
    sent.boot = host_boot();
    return sent;
  }
  MigrationJob came(DestinationState state) const {
    MigrationJob came = job(SourceState::sending);
    came.source = false;
    came.state = static_cast<unsigned>(state);
    came.copy = CopyNumber{domid(), host_boot()};
    return came;
  }
  static void keep(const MigrationJob& job) {
    JobJournal journal(job);
    job.source ? journal.write(job.source_state()) : journal.write(job.destination_state());
  }
  // Empty: nobody claims it.
  std::pair<Errc, std::string> claimed(domid_t domid) const {
    const BindThread bind(*host_);
    const Hypervisor xen;
    try {
      refuse_open_job(xen, get_domain(xen, domid));
      return {};
    } catch (const Error& e) {
      return {e.code(), e.what()};
    }
  }
  void expect_says(domid_t domid, const std::string& what) {
    const auto [code, sentence] = claimed(domid);
    EXPECT_EQ(code, Errc::needs_operator) << sentence;
    EXPECT_NE(sentence.find(what), std::string::npos) << sentence;
  }

  ScratchSubject second_{*host_, small_guest()};
};

TEST_F(Claims, regression_a_second_copy_beside_what_is_sent_is_the_jobs_too) {
  const MigrationJob job = sent(SourceState::given_away);
  keep(job);
  expect_says(domid(), "which was broken off (given-away); here, try: ferry job resume " + job.id);
  expect_says(second(), fmt::format("xl destroy {}, and then ferry job abort --force {}",
                                    raw(domid()), job.id));
  expect_says(second(), fmt::format("xl destroy {}, and then, try: ferry job resume {}",
                                    raw(second()), job.id));
  {
    const auto works = lock_job(job.id, true);
    EXPECT_EQ(claimed(second()).first, Errc::busy);
  }
  JobJournal(job).write(SourceState::taken_back);
  EXPECT_EQ(claimed(second()).second, "");
}

TEST_F(Claims, regression_so_is_one_beside_what_came) {
  const MigrationJob job = came(DestinationState::held);
  keep(job);
  expect_says(domid(), "on the source, try: ferry job resume " + job.id);
  expect_says(second(), fmt::format("xl destroy {}, and then ferry job resume --force {}",
                                    raw(domid()), job.id));
  expect_says(second(), fmt::format("xl destroy {}, and then on the source, try: ferry job "
                                    "resume {}",
                                    raw(second()), job.id));
}

TEST_F(Claims, what_runs_after_a_go_is_a_guest_of_this_host_and_a_second_one_is_not) {
  const MigrationJob job = came(DestinationState::about_to_run);
  keep(job);
  EXPECT_EQ(claimed(domid()).second, "");
  expect_says(second(), "is the same guest");
}

// Where a guest moves within one host, each side's domain is the job's own.
TEST_F(Claims, the_other_side_of_a_job_on_this_host_is_no_second_copy) {
  const MigrationJob source = sent(SourceState::given_away);
  keep(source);
  MigrationJob destination = came(DestinationState::about_to_run);
  destination.id = source.id;
  destination.copy->domid = second();
  keep(destination);
  EXPECT_EQ(claimed(second()).second, "");
  expect_says(domid(), "try: ferry job resume " + source.id);
}

}  // namespace
}  // namespace ferry::sim
