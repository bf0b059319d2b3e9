// A small guest on a simulated host, to be saved in custody.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <functional>
#include <memory>
#include <string>

#include "migrate/send_guest.h"
#include "pipeline/seeded_executor.h"
#include "sim/seam/binding.h"
#include "tests/engine/promises.h"

namespace ferry::sim {

inline GuestSpec small_guest() {
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

}  // namespace ferry::sim
