// A guest on a host in a file, and ferry-save-helper to save it.
#pragma once

#include <gtest/gtest.h>

#include "pipeline/seeded_executor.h"
#include "tests/engine/real_helper.h"

namespace ferry::sim {

inline GuestSpec guest_for_the_helper() {
  GuestSpec spec;
  spec.pages = 300;
  spec.tail = 60;
  spec.vcpus = 2;
  spec.processes = 1;
  spec.p2m = P2mForm::both;
  return spec;
}

class RealHelper : public ::testing::Test {
 protected:
  // `ferry save web1 IMAGE`.
  Ended save(Afterwards afterwards, bool live, const SaveEngine& engine) {
    SaveRun run;
    run.request.domain = "web1";
    run.request.file = place_.image();
    run.request.afterwards = afterwards;
    run.request.live = live;
    run.request.settings.set<"max_rounds">(2);
    run.guests = subject_->hooks();
    run.instead = engine;
    return run_save(host(), *executor_, run);
  }

  // xl's own part: it suspends the guest, and resumes it when the helper says that it failed.
  LibxlSide xl(HelperMessage dies_at = HelperMessage::none) const {
    return {.suspend =
                [this] {
                  subject_->hooks().asked_to_suspend(domid());
                  return 1;
                },
            .dies_at = dies_at};
  }
  domid_t domid() const { return domid_t{static_cast<uint16_t>(subject_->domid())}; }
  bool suspended() const { return !runs(host(), subject_->domid()); }
  bool logs() const {
    return host().find_domain(static_cast<DomainNumber>(subject_->domid()))->log_dirty.enabled;
  }
  Ended ferry_resume() {
    return run_named(host(), fmt::format("ferry resume {}", raw(domid())), subject_->hooks());
  }

  Host& host() const { return file_.host(); }

  Workplace place_;
  HostFile file_{{.seed = 5, .frames = 4096}};
  std::unique_ptr<Executor> executor_ = make_seeded_executor(1, 2);
  std::optional<ScratchSubject> subject_{std::in_place, host(), guest_for_the_helper()};
};

}  // namespace ferry::sim
