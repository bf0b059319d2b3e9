// What a whole save and a whole restore promise.
#include "tests/engine/promises.h"

#include <gtest/gtest.h>

#include "sim/seam/binding.h"

namespace ferry::sim {

namespace {

bool has_log_dirty(Host& host, uint32_t domid) {
  return host.find_domain(static_cast<DomainNumber>(domid))->log_dirty.enabled;
}

// A sentence for the operator names what to do, and doing it works once there are no more faults.
void expect_retry_works(Host& host, const GuestHooks& hooks, const Ended& ended) {
  EXPECT_GT(ended.failures_in_recovery, 0u)
      << "the operator is asked although the recovery had no fault: " << ended.sentence;
  const auto commands = commands_named(ended.sentence);
  EXPECT_FALSE(commands.empty()) << ended.sentence;
  for (const std::string& command : commands) {
    const Ended retry = run_named(host, command, hooks);
    EXPECT_TRUE(retry.done()) << command << ": " << retry.sentence;
  }
}

}  // namespace

void expect_nothing_left_open(const std::string& after) {
  static uint64_t lost_by_libxenctrl = 0, refused_before = 0;
  const SeamUsage usage = seam_usage();
  const uint64_t refused = refused_buffers();
  EXPECT_EQ(usage.handles, 0u) << after;
  EXPECT_EQ(usage.mapped_pages, 0u) << after;
  EXPECT_LE(usage.buffers - lost_by_libxenctrl, refused - refused_before) << after;
  lost_by_libxenctrl = usage.buffers;
  refused_before = refused;
}

Result expect_save_promise(Subject& s, const Workplace& place, Afterwards afterwards,
                           const Ended& ended) {
  expect_nothing_left_open("the save");
  Result result = ended.done() ? Result::done : Result::failed;
  if (ended.exit_status() == 4) {
    result = Result::retried;
    if (exists(s.host(), s.domid())) s.expect_intact();
    expect_retry_works(s.host(), s.hooks(), ended);
    expect_nothing_left_open("the retry");
  } else if (!ended.done()) {
    EXPECT_EQ(ended.exit_status(), 1) << ended.sentence;
    EXPECT_NE(ended.sentence, "");
  }
  const bool saved = place.has_image();
  EXPECT_TRUE(result == Result::retried || saved == ended.done()) << ended.sentence;
  if (saved && afterwards == Afterwards::destroy) {
    EXPECT_FALSE(exists(s.host(), s.domid()));
    EXPECT_EQ(s.host().state().free_pages, s.free_pages_without())
        << "memory of the destroyed guest is lost";
  } else {
    EXPECT_EQ(runs(s.host(), s.domid()), !saved || afterwards == Afterwards::keep)
        << ended.sentence;
    EXPECT_FALSE(has_log_dirty(s.host(), s.domid()));
    s.expect_intact();
    if (runs(s.host(), s.domid())) s.expect_goes_on();
  }
  return result;
}

Result expect_restore_promise(Subject& s, Host& target, uint64_t free_pages,
                              const RestoreEnded& ended) {
  expect_nothing_left_open("the restore");
  if (ended.done()) {
    EXPECT_TRUE(runs(target, raw(ended.guest.domid)));
    s.expect_arrived(target, ended.guest);
    return Result::done;
  }
  Result result = Result::failed;
  if (ended.exit_status() == 4) {
    result = Result::retried;
    expect_retry_works(target, s.hooks(), ended);
  } else {
    EXPECT_EQ(ended.exit_status(), 1) << ended.sentence;
  }
  EXPECT_EQ(target.state().free_pages, free_pages) << "memory is lost: " << ended.sentence;
  EXPECT_EQ(target.state().claimed_pages, 0u) << ended.sentence;
  return result;
}

}  // namespace ferry::sim
