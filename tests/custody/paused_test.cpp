// A paused guest is saved as one that is: it runs until it has suspended, and never longer,
// whatever goes wrong.
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "config/config_record.h"
#include "custody/resume_guest.h"
#include "custody/save_guest.h"
#include "custody/suspend_mark.h"
#include "error/error.h"
#include "host/engine_here.h"
#include "io/byte_stream.h"
#include "pipeline/seeded_executor.h"
#include "save/save.h"
#include "sim/kernel/sim_kernel.h"
#include "sim/machine/domains.h"
#include "sim/seam/binding.h"
#include "sim_toolstack/kernel_guests.h"
#include "sim_toolstack/restore_guest.h"
#include "tests/files/folder.h"

namespace ferry::sim {
namespace {

class Deaf final : public SimLifecycle {
 public:
  using SimLifecycle::SimLifecycle;
  void suspend(domid_t domid) override {
    ++asked;
    if (deaf) fail(Errc::guest, "it would not suspend");
    SimLifecycle::suspend(domid);
  }

  bool deaf = false;
  unsigned asked = 0;
};

class Paused : public ::testing::Test {
 protected:
  Paused() {
    setenv("FERRY_STATE_DIR", folder_.path("jobs").c_str(), 1);
    setenv("FERRY_RUN_DIR", folder_.path("run").c_str(), 1);
    KernelSpec spec;
    spec.pages = 1024;
    kernel_ = SimKernel::create(*host_, spec);
    kernel_->run(30);
    life_.rename(domid(), "web1");
    has_run_for(10'000'000);
    life_.pause(domid());
  }
  ~Paused() override {
    unsetenv("FERRY_STATE_DIR");
    unsetenv("FERRY_RUN_DIR");
  }
  domid_t domid() const { return domid_t{kernel_->domid()}; }
  DomainInfo now() const { return get_domain(xen_, domid()); }

  // As Xen books it, in nanoseconds.
  void has_run_for(uint64_t cpu_time_ns) {
    const HostLock lock(*host_);
    host_->find_domain(static_cast<DomainNumber>(raw(domid())))->cpu_time_ns = cpu_time_ns;
  }

  void save(Afterwards afterwards) {
    testing::internal::CaptureStderr();
    const SaveRequest request{"web1", file_, afterwards, {}, false, {}};
    try {
      save_guest(xen_, life_, host::engine_here(xen_, *executor_), request, {});
    } catch (...) {
      said_ = testing::internal::GetCapturedStderr();
      throw;
    }
    said_ = testing::internal::GetCapturedStderr();
  }
  void expect_paused_and_sound() {
    EXPECT_TRUE(now().paused);
    EXPECT_FALSE(now().suspended);
    life_.unpause(domid());
    EXPECT_FALSE(now().paused) << "it was paused more often than it was let run";
    SimKernel::attach(*host_, static_cast<DomainNumber>(raw(domid())))->run(30);
  }

  TestFolder folder_;
  std::string file_ = folder_.path("web1.ferry"), said_;
  std::unique_ptr<Host> host_ = Host::create({.seed = 5, .frames = 16384});
  BindThread bind_{*host_};
  Hypervisor xen_;
  Deaf life_{*host_, xen_, kernel_guests(*host_)};
  std::unique_ptr<Executor> executor_ = make_seeded_executor(1, 2);
  std::unique_ptr<SimKernel> kernel_;
};

TEST_F(Paused, a_guest_is_saved_and_its_image_says_so) {
  save(Afterwards::destroy);
  EXPECT_NE(said_.find("web1: it is paused"), std::string::npos) << said_;
  const ImageFile image = ImageFile::open(file_);
  EXPECT_TRUE(saved_config(image).paused);
  const auto source = image.stream();
  const RestoredGuest restored =
      restore_guest(xen_, life_, saved_config(image).header.config, *source, *executor_, true);
  EXPECT_TRUE(get_domain(xen_, restored.domid).paused);
}

TEST_F(Paused, one_that_runs_is_not_said_to_be) {
  life_.unpause(domid());
  save(Afterwards::pause);
  EXPECT_FALSE(saved_config(ImageFile::open(file_)).paused);
  expect_paused_and_sound();
}

TEST_F(Paused, a_guest_that_is_kept_stays_paused) {
  for (const Afterwards afterwards : {Afterwards::keep, Afterwards::pause}) {
    save(afterwards);
    expect_paused_and_sound();
    life_.pause(domid());
  }
}

TEST_F(Paused, a_guest_may_be_paused_more_than_once) {
  life_.pause(domid());
  life_.pause(domid());
  save(Afterwards::keep);
  expect_paused_and_sound();
}

TEST_F(Paused, a_guest_that_does_not_suspend_is_paused_again) {
  life_.deaf = true;
  EXPECT_THROW(save(Afterwards::destroy), Error);
  EXPECT_EQ(life_.asked, 1u);
  expect_paused_and_sound();
  EXPECT_FALSE(std::filesystem::exists(file_));
}

TEST_F(Paused, a_guest_is_paused_again_when_its_save_fails) {
  const SaveEngine fails = [](domid_t, int, const EngineOptions&,
                              const EngineCallbacks& callbacks) {
    EXPECT_TRUE(callbacks.suspend());
    fail(Errc::io, "the disk is full");
  };
  testing::internal::CaptureStderr();
  const SaveRequest request{"web1", file_, Afterwards::destroy, {}, false, {}};
  EXPECT_THROW(save_guest(xen_, life_, fails, request, {}), Error);
  testing::internal::GetCapturedStderr();
  expect_paused_and_sound();
}

// Its save was killed before it was paused again.
TEST_F(Paused, a_guest_that_is_brought_back_is_paused) {
  life_.unpause(domid());
  leave_suspend_mark(domid(), now().uuid, {}, true);
  life_.SimLifecycle::suspend(domid());
  ASSERT_FALSE(now().paused);
  const ResumedGuest resumed = resume_guest(xen_, life_, "web1", false);
  EXPECT_EQ(resumed.domid, domid());
  EXPECT_TRUE(resumed.paused) << "it is said to run";
  expect_paused_and_sound();
}

// It may be a copy of which another host has not said yet that it may run.
TEST_F(Paused, a_guest_that_has_not_run_here_is_refused) {
  has_run_for(0);
  try {
    save(Afterwards::destroy);
    ADD_FAILURE() << "it was saved";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("has not run here"), std::string::npos) << e.what();
  }
  EXPECT_EQ(life_.asked, 0u);
  expect_paused_and_sound();
}

// Whoever asks through xl cannot let it run meanwhile.
TEST_F(Paused, the_engine_alone_refuses) {
  SaveCallbacks callbacks;
  callbacks.suspend = [] { ADD_FAILURE() << "it was asked"; };
  MemorySink sink;
  EXPECT_THROW(save_domain(xen_, domid(), sink, *executor_, {}, callbacks), Error);
}

}  // namespace
}  // namespace ferry::sim
