// Xen of another release refuses every domctl with EACCES. That was noticed only by the first of
// them, in libxl's search for the domain, and so "there is no domain" was all that was said.
#include <gtest/gtest.h>

#include "pipeline/seeded_executor.h"
#include "tests/engine/toolstack.h"
#include "xen/release.h"

namespace ferry::sim {
namespace {

TEST(WrongXenTakenForAMissingDomain, is_named) {
  const Workplace place;
  const auto host = Host::create({.seed = 1, .frames = 4096});
  host->faults().fail_nth(CallKind::domctl_info, 1, EACCES);
  SaveRun run;
  run.request.domain = "web1";
  run.request.file = place.image();
  const Ended ended = run_save(*host, *make_seeded_executor(1, 2), run);
  EXPECT_EQ(ended.error, Errc::wrong_xen);
  EXPECT_NE(ended.sentence.find(xen_release()), std::string::npos) << ended.sentence;
}

}  // namespace
}  // namespace ferry::sim
