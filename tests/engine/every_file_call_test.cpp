// Every call that a save makes on a file fails once: of the image, the lock, the note and their
// folders.
#include <gtest/gtest.h>

#include "config/own_mark.h"
#include "pipeline/seeded_executor.h"
#include "tests/engine/file_faults.h"
#include "tests/engine/promises.h"

namespace ferry::sim {
namespace {

// An image that is not marked as this host's own is as good, and so is the save of a process that
// Linux may end when memory runs out, or into a file system that knows no locks. A write follows
// the call that opened its file.
bool goes_without(const std::vector<std::string>& calls, uint64_t nth) {
  std::string call = calls[nth - 1];
  if (call == "write" && nth > 1) call = calls[nth - 2];
  return call.find("config.key") != std::string::npos ||
         call.find("oom_score_adj") != std::string::npos ||
         (call.starts_with("flock ") && !call.ends_with(".lock"));
}

class EveryFileCall : public ::testing::TestWithParam<std::tuple<Afterwards, bool>> {
 protected:
  void SetUp() override { own_mark("makes this host's key, which later saves only read"); }

  static GuestSpec spec() {
    GuestSpec spec;
    spec.pages = 300;
    return spec;
  }
  Afterwards afterwards() const { return std::get<0>(GetParam()); }

  Ended save(FileFaults& faults) {
    if (!std::get<1>(GetParam())) faults.refuse_nameless();
    SaveRun run;
    run.request.domain = "web1";
    run.request.file = place_.image();
    run.request.afterwards = afterwards();
    run.guests = subject_->hooks();
    return run_save(*host_, *executor_, run);
  }

  // A file that is there and whole does not count as an image yet if its folder could not be
  // synced.
  Result judge(const Ended& ended) {
    if (ended.sentence.find("may have lost its name") != std::string::npos) {
      EXPECT_TRUE(place_.has_image());
      EXPECT_TRUE(place_.clear());
    }
    const Result result = expect_save_promise(*subject_, place_, afterwards(), ended);
    EXPECT_TRUE(place_.clear()) << "a lock, a note or half a file is left";
    if (!runs(*host_, subject_->domid())) {
      host_ = Host::create({.seed = 5, .frames = 4096});
      subject_.emplace(*host_, spec());
    }
    return result;
  }

  Workplace place_;
  std::unique_ptr<Host> host_ = Host::create({.seed = 5, .frames = 4096});
  std::unique_ptr<Executor> executor_ = make_seeded_executor(1, 2);
  std::optional<ScratchSubject> subject_{std::in_place, *host_, spec()};
};

TEST_P(EveryFileCall, can_fail) {
  uint64_t calls = 0;
  for (uint64_t n = 1; !HasFailure(); ++n) {
    Ended ended;
    std::string call;
    bool failed = false, matters = true;
    {
      FileFaults faults(n);
      ended = save(faults);
      failed = faults.failed();
      if (failed) {
        call = faults.calls()[n - 1];
        matters = !goes_without(faults.calls(), n);
      }
    }
    SCOPED_TRACE(fmt::format("call {}: {}", n, call));
    const Result result = judge(ended);
    EXPECT_EQ(result, failed && matters ? Result::failed : Result::done);
    if (!failed) break;
    ++calls;
  }
  EXPECT_GT(calls, 8u);
  fmt::print("{} calls on files failed, each once\n", calls);
}

INSTANTIATE_TEST_SUITE_P(Saves, EveryFileCall,
                         ::testing::Combine(::testing::Values(Afterwards::keep,
                                                              Afterwards::destroy),
                                            ::testing::Bool()));

}  // namespace
}  // namespace ferry::sim
