// What makes a guest of what arrives keeps to one contract (migrate/receive_guest.h): xl's
// migrate-receive and the simulated host's own, over a life cycle that misbehaves.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <functional>

#include "custody/host_boot.h"
#include "custody/save_engine.h"
#include "error/error.h"
#include "host/engine_here.h"
#include "host/xl_incoming.h"
#include "sim/kernel/sim_kernel.h"
#include "sim/seam/binding.h"
#include "sim_toolstack/kernel_guests.h"
#include "sim_toolstack/sim_incoming.h"
#include "tests/files/folder.h"
#include "xen/domain.h"

namespace ferry::sim {
namespace {

// Somebody else on this host, who acts right before a call, and a toolstack that may not answer.
class Unruly final : public SimLifecycle {
 public:
  using SimLifecycle::SimLifecycle;
  std::vector<DomainHere> with_uuid(const std::string& uuid) override {
    if (silent) fail(Errc::internal, "libxl does not say which domains there are");
    return SimLifecycle::with_uuid(uuid);
  }
  void rename(domid_t domid, const std::string& name) override {
    if (refuse_rename) fail(Errc::internal, "xenstored is full");
    SimLifecycle::rename(domid, name);
  }
  void unpause(domid_t domid) override {
    if (refuse_unpause) fail(Errc::internal, "Xen does not want to");
    SimLifecycle::unpause(domid);
  }
  bool silent = false, refuse_rename = false, refuse_unpause = false;
};

enum class Through { simulated, xl };

class IncomingContract : public ::testing::TestWithParam<Through> {
 protected:
  void SetUp() override {
    signal(SIGPIPE, SIG_IGN);
    setenv("FERRY_STATE_DIR", folder_.path("jobs").c_str(), 1);
    setenv("FERRY_RUN_DIR", folder_.path("run").c_str(), 1);
    setenv("FERRY_SIM_HOST", folder_.path("host").c_str(), 1);
    setenv("FERRY_XL", FAKE_XL_PROGRAM, 1);
    unsetenv("FAKE_XL");
    save_a_guest();
    host_ = Host::create_file(folder_.path("host"), {.seed = 2, .frames = 8192});
    bind_ = std::make_unique<BindThread>(*host_);
    xen_ = std::make_unique<Hypervisor>();
    life_ = std::make_unique<Unruly>(*host_, *xen_, kernel_guests(*host_));
  }

  // The image of a guest on another host.
  void save_a_guest() {
    auto from = Host::create({.seed = 1, .frames = 8192});
    const BindThread bind(*from);
    const Hypervisor xen;
    SimLifecycle life(*from, xen, kernel_guests(*from));
    KernelSpec spec;
    spec.pages = 300;
    auto kernel = SimKernel::create(*from, spec);
    kernel->run(20);
    const domid_t domid{kernel->domid()};
    life.rename(domid, "web1");
    const auto uuid = get_domain(xen, domid).uuid;
    job_.id = new_job_id();
    job_.source = false;
    job_.name = "web1";
    job_.uuid.assign(uuid.begin(), uuid.end());
    hello_.set_name("web1");
    hello_.set_uuid(job_.uuid);
    hello_.set_xl_flags(3);
    hello_.set_libxl_json(life.config_json(domid));
    const auto executor = make_thread_executor(1);
    MemorySink image;
    SaveCallbacks callbacks;
    callbacks.suspend = [&] { life.suspend(domid); };
    save_domain(xen, domid, image, *executor, {}, callbacks);
    image_ = image.bytes();
  }

  std::unique_ptr<IncomingGuest> incoming() {
    if (GetParam() == Through::xl) return std::make_unique<host::XlIncoming>(*life_, job_);
    return std::make_unique<SimIncoming>(*host_, *xen_, *life_, job_);
  }
  // One that has arrived, its number in the journal.
  std::unique_ptr<IncomingGuest> arrived() {
    auto guest = incoming();
    guest->begin(hello_);
    guest->take(image_);
    guest->finish();
    job_.copy = guest->copy();
    return guest;
  }
  // The same after this program has left it, as another one meets it.
  std::unique_ptr<IncomingGuest> met_again() {
    arrived()->leave();
    return incoming();
  }

  std::optional<DomainHere> copy() {
    life_->silent = false;
    for (DomainHere& one : life_->with_uuid(job_.uuid)) return std::move(one);
    return std::nullopt;
  }
  // Another domain, of that name.
  domid_t other(const std::string& name) {
    std::string config = hello_.libxl_json();
    const size_t uuid = config.find("\"uuid\"");
    const size_t at = config.find('"', config.find(':', uuid)) + 1;
    config[at] = config[at] == 'f' ? '0' : 'f';
    return life_->create(config, name).domid;
  }
  bool exists(domid_t domid) { return !life_->name(domid).empty(); }

  TestFolder folder_;
  MigrationJob job_;
  v1::MigrateHello hello_;
  Bytes image_;
  std::unique_ptr<Host> host_;
  std::unique_ptr<BindThread> bind_;
  std::unique_ptr<Hypervisor> xen_;
  std::unique_ptr<Unruly> life_;
};

TEST_P(IncomingContract, a_guest_arrives_paused_and_runs_when_it_is_let) {
  const auto guest = arrived();
  ASSERT_TRUE(guest->copy());
  ASSERT_TRUE(copy());
  EXPECT_EQ(copy()->name, "web1--incoming");
  EXPECT_FALSE(copy()->runs());
  EXPECT_EQ(copy()->domid, guest->copy()->domid);
  EXPECT_TRUE(guest->present());
  EXPECT_TRUE(guest->run());
  EXPECT_EQ(copy()->name, "web1");
  EXPECT_TRUE(copy()->runs());
}

TEST_P(IncomingContract, the_number_is_known_before_any_of_the_guest_was_taken) {
  const auto guest = incoming();
  guest->begin(hello_);
  ASSERT_TRUE(guest->copy());
  EXPECT_EQ(guest->copy()->boot, host_boot());
  guest->discard();
  EXPECT_FALSE(copy());
}

TEST_P(IncomingContract, a_guest_that_runs_already_is_run_again_with_success) {
  arrived()->run();
  const auto again = incoming();
  EXPECT_TRUE(again->present());
  EXPECT_TRUE(again->run());
  EXPECT_TRUE(again->run());
  EXPECT_TRUE(copy()->runs());
}

TEST_P(IncomingContract, a_copy_that_another_program_left_runs) {
  const auto guest = met_again();
  EXPECT_TRUE(guest->present());
  EXPECT_TRUE(guest->run());
  EXPECT_TRUE(copy()->runs());
  EXPECT_EQ(copy()->name, "web1");
}

TEST_P(IncomingContract, a_copy_that_has_its_name_and_is_paused_yet_runs) {
  const auto guest = met_again();
  life_->rename(copy()->domid, "web1");
  EXPECT_TRUE(guest->present());
  EXPECT_TRUE(guest->run());
  EXPECT_TRUE(copy()->runs());
}

TEST_P(IncomingContract, a_copy_that_was_renamed_is_still_the_jobs) {
  const auto guest = met_again();
  life_->rename(copy()->domid, "somebody");
  EXPECT_TRUE(guest->present());
  EXPECT_TRUE(guest->run());
  EXPECT_EQ(copy()->name, "web1");
}

TEST_P(IncomingContract, a_copy_that_vanished_is_never_said_to_run) {
  const auto guest = arrived();
  life_->destroy(copy()->domid);
  EXPECT_FALSE(guest->present());
  bool runs = false;
  try {
    runs = guest->run();
  } catch (const Error&) {
  }
  EXPECT_FALSE(runs);
  const auto again = incoming();
  EXPECT_FALSE(again->present());
  EXPECT_THROW(again->run(), Error);
  EXPECT_NO_THROW(again->discard());
}

TEST_P(IncomingContract, another_guest_of_the_same_name_is_left_alone) {
  auto guest = met_again();
  life_->destroy(copy()->domid);
  const domid_t stranger = other("web1--incoming");
  EXPECT_FALSE(guest->present());
  EXPECT_THROW(guest->run(), Error);
  guest->discard();
  EXPECT_TRUE(exists(stranger));
  EXPECT_EQ(life_->name(stranger), "web1--incoming");
}

TEST_P(IncomingContract, a_copy_of_another_job_with_the_same_uuid_is_left_alone) {
  const auto guest = met_again();
  job_.copy->domid = domid_t{static_cast<uint16_t>(raw(job_.copy->domid) + 1)};
  const auto other_job = incoming();
  EXPECT_FALSE(other_job->present());
  other_job->discard();
  EXPECT_TRUE(copy());
  EXPECT_TRUE(guest->present());
}

TEST_P(IncomingContract, a_number_of_an_earlier_boot_names_nothing) {
  met_again();
  job_.copy->boot = "another";
  const auto guest = incoming();
  EXPECT_FALSE(guest->present());
  guest->discard();
  EXPECT_TRUE(copy());
}

TEST_P(IncomingContract, a_name_that_is_taken_keeps_a_guest_from_coming) {
  for (const char* name : {"web1", "web1--incoming"}) {
    const domid_t taken = other(name);
    const auto guest = incoming();
    EXPECT_THROW(guest->begin(hello_), Error) << name;
    guest->discard();
    EXPECT_FALSE(copy());
    EXPECT_TRUE(exists(taken));
    life_->destroy(taken);
  }
}

TEST_P(IncomingContract, a_guest_that_is_here_already_does_not_come_again) {
  met_again()->run();
  job_.copy.reset();
  job_.id = new_job_id();
  const auto again = incoming();
  EXPECT_THROW(again->begin(hello_), Error);
  again->discard();
  ASSERT_TRUE(copy());
  EXPECT_TRUE(copy()->runs());
}

// Paused, and under the name of an arriving domain: another program brought it.
TEST_P(IncomingContract, regression_a_copy_that_no_job_has_noted_is_left_alone) {
  met_again();
  job_.copy.reset();
  job_.id = new_job_id();
  const auto guest = incoming();
  EXPECT_FALSE(guest->present());
  EXPECT_FALSE(guest->has_run());
  EXPECT_THROW(guest->run(), Error);
  EXPECT_THROW(guest->begin(hello_), Error);
  guest->discard();
  EXPECT_TRUE(copy());
  life_->unpause(copy()->domid);
  EXPECT_FALSE(guest->has_run()) << "nor is it the job's that runs";
}

TEST_P(IncomingContract, regression_a_copy_that_has_run_is_left_as_it_is) {
  for (const char* name : {"web1--incoming", "web1", "somebody"}) {
    const auto guest = met_again();
    EXPECT_FALSE(guest->has_run());
    const domid_t domid = copy()->domid;
    if (life_->name(domid) != name) life_->rename(domid, name);
    EXPECT_FALSE(guest->has_run()) << "only renamed";
    life_->unpause(domid);
    host_->find_domain(static_cast<DomainNumber>(raw(domid)))->cpu_time_ns += 1'000'000'000;
    life_->pause(domid);
    EXPECT_TRUE(guest->has_run()) << name;
    EXPECT_TRUE(guest->run());
    EXPECT_FALSE(copy()->runs());
    guest->discard();
    job_.copy.reset();
  }
}

TEST_P(IncomingContract, regression_the_same_guest_in_another_domain_is_seen) {
  const auto guest = met_again();
  EXPECT_NO_THROW(guest->check_alone());
  const domid_t again = life_->create(hello_.libxl_json(), "web1").domid;
  EXPECT_THROW(guest->check_alone(), Error);
  life_->destroy(guest->copy()->domid);
  EXPECT_FALSE(guest->present());
  EXPECT_THROW(guest->check_alone(), Error);
  EXPECT_TRUE(guest->lives_on());
  life_->destroy(again);
  EXPECT_NO_THROW(guest->check_alone());
}

TEST_P(IncomingContract, a_name_taken_after_it_arrived_is_a_sure_no) {
  const auto guest = arrived();
  const domid_t taken = other("web1");
  EXPECT_FALSE(guest->run());
  EXPECT_FALSE(guest->why().empty());
  guest->discard();
  EXPECT_FALSE(copy());
  EXPECT_TRUE(exists(taken));
}

TEST_P(IncomingContract, a_rename_or_a_start_that_is_refused_is_a_sure_no) {
  for (bool Unruly::*refused : {&Unruly::refuse_rename, &Unruly::refuse_unpause}) {
    const auto guest = met_again();
    life_.get()->*refused = true;
    EXPECT_FALSE(guest->run());
    EXPECT_FALSE(guest->why().empty());
    EXPECT_FALSE(guest->run()) << "tried again";
    EXPECT_TRUE(copy()) << "the last copy, perhaps";
    guest->discard();
    EXPECT_FALSE(copy());
    life_.get()->*refused = false;
    job_.copy.reset();
  }
}

TEST_P(IncomingContract, a_copy_that_was_let_run_and_is_gone_is_not_forgotten) {
  const auto guest = arrived();
  EXPECT_FALSE(guest->was_let_run());
  EXPECT_TRUE(guest->run());
  life_->destroy(copy()->domid);
  EXPECT_TRUE(incoming()->was_let_run()) << "whatever the journal says by then";
}

TEST_P(IncomingContract, one_that_surely_never_ran_is_not_said_to_have) {
  const auto guest = met_again();
  life_->refuse_unpause = true;
  EXPECT_FALSE(guest->run());
  EXPECT_FALSE(guest->was_let_run());
}

TEST_P(IncomingContract, a_copy_does_not_run_where_that_cannot_be_noted) {
  const auto guest = met_again();
  setenv("FERRY_RUN_DIR", folder_.path("host").c_str(), 1);  // which is a file
  EXPECT_FALSE(guest->run());
  EXPECT_FALSE(guest->why().empty());
  setenv("FERRY_RUN_DIR", folder_.path("run").c_str(), 1);
  EXPECT_FALSE(copy()->runs());
  EXPECT_TRUE(guest->run());
}

TEST_P(IncomingContract, a_toolstack_that_does_not_answer_is_not_taken_for_nothing) {
  const auto guest = met_again();
  life_->silent = true;
  EXPECT_THROW(guest->present(), Error);
  EXPECT_THROW(guest->run(), Error);
  EXPECT_THROW(guest->discard(), Error);
  EXPECT_TRUE(copy());
}

INSTANTIATE_TEST_SUITE_P(On, IncomingContract, ::testing::Values(Through::simulated, Through::xl),
                         [](const auto& of) {
                           return of.param == Through::xl ? "Xl" : "Simulated";
                         });

// What only xl can do.
class XlIncomingTest : public IncomingContract {
 protected:
  std::unique_ptr<IncomingGuest> arrived_with(const char* misbehaviour) {
    setenv("FAKE_XL", misbehaviour, 1);
    return arrived();
  }
};

TEST_P(XlIncomingTest, an_xl_that_ends_once_it_is_whole_leaves_a_copy_that_runs_all_the_same) {
  const auto guest = arrived_with("die-before-go");
  EXPECT_TRUE(guest->run());
  EXPECT_TRUE(copy()->runs());
}

TEST_P(XlIncomingTest, an_xl_that_makes_no_domain_is_told) {
  setenv("FAKE_XL", "refuse", 1);
  const auto guest = incoming();
  EXPECT_THROW(guest->begin(hello_), Error);
  guest->discard();
  EXPECT_FALSE(copy());
}

TEST_P(XlIncomingTest, discarding_what_has_arrived_leaves_neither_domain_nor_xl) {
  const auto guest = arrived();
  const auto xl = static_cast<pid_t>(guest->copy()->maker);
  ASSERT_GT(xl, 0);
  guest->discard();
  EXPECT_FALSE(copy());
  EXPECT_NE(kill(xl, 0), 0);
}

INSTANTIATE_TEST_SUITE_P(Only, XlIncomingTest, ::testing::Values(Through::xl),
                         [](const auto&) { return "Xl"; });

}  // namespace
}  // namespace ferry::sim
