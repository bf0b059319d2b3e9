// A page whose memory is broken was mapped and read before its type was looked at: on a host that
// ends in a machine check, or in "could not map" instead of what is wrong.
#include <gtest/gtest.h>

#include <algorithm>

#include "pipeline/seeded_executor.h"
#include "tests/engine/toolstack.h"

namespace ferry::sim {
namespace {

TEST(BrokenPageReadBeforeItWasJudged, is_never_mapped) {
  const auto host = Host::create({.seed = 3, .frames = 4096});
  GuestSpec spec;
  spec.pages = 300;
  const ScratchGuest guest = build_guest(*host, spec);
  const auto pfn = static_cast<uint64_t>(
      std::find(guest.roles.begin(), guest.roles.end(), Role::data) - guest.roles.begin());
  Frame& frame = host->frame(mfn_t(guest.p2m[pfn]));
  frame.broken = true;
  uint64_t most_references = 0;
  const uint64_t references = frame.count;
  host->set_before_call(
      [&](const Call&) { most_references = std::max(most_references, frame.count); });
  const Saved saved = engine_save(*host, guest.domid, *make_seeded_executor(1, 2));
  EXPECT_EQ(saved.error, Errc::guest);
  EXPECT_NE(saved.sentence.find("broken"), std::string::npos) << saved.sentence;
  EXPECT_EQ(most_references, references);
}

}  // namespace
}  // namespace ferry::sim
