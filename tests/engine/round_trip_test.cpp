// A simulated guest saved by ferry and restored by ferry on another host is the same guest.
#include <gtest/gtest.h>

#include "pipeline/seeded_executor.h"
#include "sim/builder/compare.h"
#include "sim/seam/usage.h"
#include "tests/engine/sim_engine.h"

namespace ferry::sim {
namespace {

std::string joined(const std::vector<std::string>& sentences) {
  std::string all;
  for (const std::string& s : sentences) all += "\n  " + s;
  return all;
}

std::unique_ptr<Host> source_host(const GuestSpec& spec, uint64_t seed) {
  return Host::create({.seed = seed, .frames = spec.pages + 2048});
}

std::unique_ptr<Host> target_host(const GuestSpec& spec, uint64_t seed) {
  return Host::create({.seed = seed + 1000003, .frames = spec.pages + 2048 + seed % 1000});
}

void round_trip(uint64_t seed, uint64_t most_pages, Executor& executor) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  const GuestSpec spec = GuestSpec::random(seed, most_pages);
  auto a = source_host(spec, seed);
  auto b = target_host(spec, seed);
  const ScratchGuest guest = build_guest(*a, spec);
  const GuestView before = view_guest(*a, guest.domid);

  const Saved saved = engine_save(*a, guest.domid, executor);
  ASSERT_TRUE(saved.done()) << saved.sentence;
  EXPECT_FALSE(saved.asked_to_suspend) << "a guest that is suspended is saved as it is";
  const auto touched = compare_views(guest, before, view_guest(*a, guest.domid));
  EXPECT_TRUE(touched.empty()) << "the save changed the source:" << joined(touched);

  const Restored restored = engine_restore(*b, saved.image, spec.pages, spec.vcpus, executor);
  ASSERT_TRUE(restored.done()) << restored.sentence;
  EXPECT_EQ(restored.unread, 0u);
  const auto differences =
      compare_restored(guest, before, *b, static_cast<DomainNumber>(restored.domid), kFerryRules);
  EXPECT_TRUE(differences.empty()) << joined(differences);
  EXPECT_EQ(b->m2p(restored.store_mfn), guest.store_ring);
  EXPECT_EQ(b->m2p(restored.console_mfn), guest.console_ring);
  EXPECT_EQ(seam_usage(), SeamUsage{});
}

TEST(Engine, restores_the_same_guest_that_it_saved) {
  for (uint64_t seed = 1; seed <= 60 && !HasFailure(); ++seed)
    round_trip(seed, 1024, *make_seeded_executor(seed, 1 + seed % 4));
}

TEST(Engine, does_so_on_threads) {
  auto executor = make_thread_executor(3);
  for (uint64_t seed = 100; seed < 106; ++seed) round_trip(seed, 4096, *executor);
}

TEST(Engine, gives_the_same_bytes_whatever_the_executor) {
  SaveOptions options;
  options.timeline = false;
  for (uint64_t seed = 200; seed < 206; ++seed) {
    const GuestSpec spec = GuestSpec::random(seed, 2048);
    auto host = source_host(spec, seed);
    const ScratchGuest guest = build_guest(*host, spec);
    const Bytes image = engine_save(*host, guest.domid, *make_thread_executor(1), options).image;
    EXPECT_EQ(engine_save(*host, guest.domid, *make_thread_executor(4), options).image, image);
    EXPECT_EQ(engine_save(*host, guest.domid, *make_seeded_executor(seed, 5), options).image, image);
  }
}

// The same guest on hosts with other frame layouts: not one byte of the image tells them apart, so no
// machine frame of the source is in it.
TEST(Engine, leaves_no_machine_frame_in_the_image) {
  SaveOptions options;
  options.timeline = false;
  for (uint64_t seed = 300; seed < 306; ++seed) {
    GuestSpec spec = GuestSpec::random(seed, 1024);
    spec.p2m = P2mForm::linear;  // pages of frame lists are named as stale instead
    auto a = source_host(spec, seed);
    auto b = target_host(spec, seed);
    const ScratchGuest ga = build_guest(*a, spec);
    const ScratchGuest gb = build_guest(*b, spec);
    EXPECT_EQ(engine_save(*a, ga.domid, *make_thread_executor(1), options).image,
              engine_save(*b, gb.domid, *make_thread_executor(1), options).image)
        << "seed " << seed;
  }
}

}  // namespace
}  // namespace ferry::sim
