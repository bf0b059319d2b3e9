// Every call of a whole save and of a whole restore made to fail once, and every call of their
// recovery too: what each promises holds, and how many calls and call sites there are is printed.
#include <gtest/gtest.h>

#include "pipeline/seeded_executor.h"
#include "tests/engine/call_sites.h"
#include "tests/engine/promises.h"

namespace ferry::sim {
namespace {

GuestSpec small_guest() {
  GuestSpec spec;
  spec.pages = 300;
  spec.tail = 60;
  spec.vcpus = 2;
  spec.processes = 1;
  spec.p2m = P2mForm::both;
  return spec;
}

KernelSpec small_kernel() {
  KernelSpec spec;
  spec.pages = 400;
  spec.growth = 64;
  spec.vcpus = 2;
  return spec;
}

// How a guest is saved, and whether it has a kernel.
struct Way {
  Afterwards afterwards;
  bool live = false;
  bool kernel = false;
};

class EveryCall : public ::testing::Test {
 protected:
  // On a host of its own: a kernel goes through one save only.
  void renew(bool kernel) {
    subject_.reset();
    host_ = Host::create({.seed = 5, .frames = 4096});
    if (kernel)
      subject_ = std::make_unique<KernelSubject>(*host_, small_kernel(), 40);
    else
      subject_ = std::make_unique<ScratchSubject>(*host_, small_guest());
  }

  Ended save(const Way& way) {
    SaveRun run;
    run.request.domain = "web1";
    run.request.file = place_.image();
    run.request.afterwards = way.afterwards;
    uint64_t clock = 0;
    if (way.live) run.engine.live.emplace().now_us = [&clock] { return clock += 1000; };
    run.guests = subject_->hooks();
    run.engine_ended = [this] { subject_->engine_ended(); };
    return run_save(*host_, *executor_, run);
  }

  Result judge(const Way& way, const Ended& ended) {
    const Result result = expect_save_promise(*subject_, place_, way.afterwards, ended);
    EXPECT_TRUE(place_.clear()) << "a lock or a note is left";
    if (way.kernel || !runs(*host_, subject_->domid())) renew(way.kernel);
    return result;
  }

  Workplace place_;
  std::unique_ptr<Host> host_;
  std::unique_ptr<Executor> executor_ = make_seeded_executor(1, 2);
  std::unique_ptr<Subject> subject_;
};

std::string call_name(Host& host, uint64_t n) {
  return fmt::format("call {} {}", n, name_of(host.faults().kind_of_call(n)));
}

class EveryCallOfASave : public EveryCall, public ::testing::WithParamInterface<Way> {
 protected:
  void SetUp() override { renew(GetParam().kernel); }
  bool excused(uint64_t n) {
    const CallKind kind = host_->faults().kind_of_call(n);
    return GetParam().live && (kind == CallKind::domctl_shadow || kind == CallKind::alloc_buffer);
  }
};

TEST_P(EveryCallOfASave, can_fail) {
  host_->faults().clear();
  uint64_t calls = 0;
  Ended whole;
  {
    const CallSites sites(*host_);
    whole = save(GetParam());
    calls = sites.calls();
    fmt::print("{} calls at {} sites of {} kinds\n", calls, sites.sites(), sites.kinds());
  }
  ASSERT_EQ(judge(GetParam(), whole), Result::done) << whole.sentence;
  ASSERT_GT(calls, 50u);
  uint64_t unmaps = 0;
  uint64_t results[3] = {};
  for (uint64_t n = 1; n <= calls && !HasFailure(); ++n) {
    host_->faults().clear();
    host_->faults().fail_call(n);
    const Ended ended = save(GetParam());
    SCOPED_TRACE(call_name(*host_, n));
    const bool unmap = host_->faults().kind_of_call(n) == CallKind::unmap;  // cannot fail
    unmaps += unmap;
    // A live save can do without log-dirty; whatever else fails is noticed.
    EXPECT_TRUE(ended.done() != (host_->faults().failures() > 0) || excused(n)) << "nobody noticed";
    host_->faults().clear();
    ++results[static_cast<int>(judge(GetParam(), ended))];
  }
  EXPECT_TRUE(results[0] == unmaps || GetParam().live);
  fmt::print("each failed once: {} failed cleanly, {} in a retry, {} made good, {} are unmaps\n",
             results[1], results[2], results[0] - unmaps, unmaps);
}

// The engine fails with the guest suspended, and then so does each call of giving it back.
TEST_P(EveryCallOfASave, can_fail_while_the_guest_is_given_back) {
  const auto break_engine = [&] {
    host_->faults().clear();
    host_->faults().fail_nth(CallKind::domctl_vcpu_get, 1);
  };
  uint64_t first = 0;
  break_engine();
  host_->set_before_call([&](const Call& call) {
    if (host_->faults().failures() && !first) first = call.number;
  });
  Ended ended = save(GetParam());
  host_->set_before_call({});
  const uint64_t calls = host_->faults().calls();
  host_->faults().clear();
  EXPECT_EQ(judge(GetParam(), ended), Result::failed);
  ASSERT_GT(first, 0u);
  uint64_t retries = 0;
  for (uint64_t n = first + 1; n <= calls && !HasFailure(); ++n) {
    break_engine();
    host_->faults().fail_call(n);
    ended = save(GetParam());
    SCOPED_TRACE(call_name(*host_, n));
    host_->faults().clear();
    retries += judge(GetParam(), ended) == Result::retried;
  }
  EXPECT_GT(retries, 2u);
  fmt::print("{} calls failed after another had, {} in a retry\n", calls - first, retries);
}

std::string name_of_case(const ::testing::TestParamInfo<Way>& info) {
  const std::string name = info.param.afterwards == Afterwards::keep    ? "and_keep"
                           : info.param.afterwards == Afterwards::pause ? "and_pause"
                                                                        : "and_destroy";
  return (info.param.kernel ? "a_kernel_" : "") + (info.param.live ? "live_" + name : name);
}

INSTANTIATE_TEST_SUITE_P(Once, EveryCallOfASave,
                         ::testing::Values(Way{Afterwards::keep}, Way{Afterwards::pause},
                                           Way{Afterwards::destroy}, Way{Afterwards::keep, true},
                                           Way{Afterwards::keep, false, true},
                                           Way{Afterwards::destroy, true, true}),
                         name_of_case);

class EveryCallOfARestore : public EveryCall {
 protected:
  void SetUp() override {
    renew(false);
    config_ = config_of(*host_, subject_->domid());
    ASSERT_TRUE(save({Afterwards::keep}).done());
    image_ = place_.read_image();
  }
  RestoreEnded restore() {
    return run_restore(*target_, config_, image_, *executor_, scratch_guests(*target_));
  }
  // Faults are over. Leaves a host without guests.
  Result judge_restore(const RestoreEnded& ended) {
    const Result result = expect_restore_promise(*subject_, *target_, free_pages_, ended);
    if (ended.done()) destroy_domain(*target_, raw(ended.guest.domid));
    EXPECT_EQ(target_->state().free_pages, free_pages_);
    return result;
  }

  std::unique_ptr<Host> target_ = Host::create({.seed = 6, .frames = 4096});
  const uint64_t free_pages_ = target_->state().free_pages;
  std::string config_;
  Bytes image_;
};

TEST_F(EveryCallOfARestore, can_fail) {
  target_->faults().clear();
  uint64_t calls = 0;
  {
    const CallSites sites(*target_);
    const RestoreEnded ended = restore();
    ASSERT_TRUE(ended.done()) << ended.sentence;
    calls = sites.calls();
    fmt::print("{} calls at {} sites of {} kinds\n", calls, sites.sites(), sites.kinds());
    judge_restore(ended);
  }
  ASSERT_GT(calls, 50u);
  uint64_t results[3] = {};
  uint64_t unmaps = 0;
  for (uint64_t n = 1; n <= calls && !HasFailure(); ++n) {
    target_->faults().clear();
    target_->faults().fail_call(n);
    const RestoreEnded ended = restore();
    SCOPED_TRACE(call_name(*target_, n));
    unmaps += target_->faults().kind_of_call(n) == CallKind::unmap;
    target_->faults().clear();
    ++results[static_cast<int>(judge_restore(ended))];
  }
  EXPECT_EQ(results[static_cast<int>(Result::retried)], 0u) << "one fault is not in the recovery";
  EXPECT_GT(results[static_cast<int>(Result::failed)], calls / 3);
  // A large extent that cannot be had is made up of small ones, and a batch of pins is tried again
  // one by one; anything else is noticed.
  EXPECT_LE(results[static_cast<int>(Result::done)], unmaps + 4);
  fmt::print("each failed once: {} failed cleanly, {} were made good, {} are unmaps\n", results[1],
             results[0] - unmaps, unmaps);
}

// The engine fails, and then so does each call of removing the half restored domain.
TEST_F(EveryCallOfARestore, can_fail_while_the_domain_is_removed) {
  const auto break_engine = [&] {
    target_->faults().clear();
    target_->faults().fail_nth(CallKind::map_foreign, 1);
  };
  uint64_t first = 0;
  break_engine();
  target_->set_before_call([&](const Call& call) {
    if (target_->faults().failures() && !first) first = call.number;
  });
  RestoreEnded ended = restore();
  target_->set_before_call({});
  const uint64_t calls = target_->faults().calls();
  target_->faults().clear();
  EXPECT_EQ(judge_restore(ended), Result::failed);
  ASSERT_GT(first, 0u);
  uint64_t retries = 0;
  for (uint64_t n = first + 1; n <= calls && !HasFailure(); ++n) {
    break_engine();
    target_->faults().fail_call(n);
    ended = restore();
    SCOPED_TRACE(call_name(*target_, n));
    target_->faults().clear();
    retries += judge_restore(ended) == Result::retried;
  }
  EXPECT_GT(retries, 0u);
  fmt::print("{} calls failed after another had, {} in a retry\n", calls - first, retries);
}

}  // namespace
}  // namespace ferry::sim

// The hypercall buffer that libxenctrl itself loses (expect_nothing_left_open) is not our leak.
extern "C" const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() {
  return "leak:libxenctrl\n";
}
