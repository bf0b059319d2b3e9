// A save that looked at a running guest just while it moved its p2m found none that was sound, and
// failed: only later looks of a live save were patient.
#include <gtest/gtest.h>

#include "pipeline/seeded_executor.h"
#include "tests/engine/promises.h"

namespace ferry::sim {
namespace {

class P2mInMotionFailsASave : public ::testing::Test {
 protected:
  P2mInMotionFailsASave() {
    shared().arch.p2m_generation = 1;
    host_->set_before_call([this](const Call& call) {
      if (call.kind == CallKind::map_foreign && ++mappings_ == 5) ++shared().arch.p2m_generation;
    });
  }
  static GuestSpec spec() {
    GuestSpec spec;
    spec.pages = 300;
    spec.p2m = P2mForm::linear;
    return spec;
  }
  shared_info_t& shared() {
    const Domain& d = *host_->find_domain(static_cast<DomainNumber>(subject_.domid()));
    return *reinterpret_cast<shared_info_t*>(host_->page(mfn_t(d.shared_info_mfn)));
  }
  void save(bool live) {
    SaveRun run;
    run.request.domain = "web1";
    run.request.file = place_.image();
    if (live) run.engine.live.emplace();
    run.guests = subject_.hooks();
    const Ended ended = run_save(*host_, *make_seeded_executor(1, 2), run);
    EXPECT_EQ(expect_save_promise(subject_, place_, run.request.afterwards, ended), Result::done)
        << ended.sentence;
  }

  Workplace place_;
  std::unique_ptr<Host> host_ = Host::create({.seed = 3, .frames = 4096});
  ScratchSubject subject_{*host_, spec()};
  unsigned mappings_ = 0;
};

TEST_F(P2mInMotionFailsASave, it_waits_a_moment) {
  save(false);
}

TEST_F(P2mInMotionFailsASave, and_so_does_a_live_one) {
  save(true);
}

}  // namespace
}  // namespace ferry::sim
