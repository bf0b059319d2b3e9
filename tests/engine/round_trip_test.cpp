// A simulated guest saved by ferry and restored by ferry on another host is the same guest.
#include <gtest/gtest.h>

#include <set>

#include "pipeline/seeded_executor.h"
#include "proto/pages.h"
#include "proto/record_reader.h"
#include "sim/builder/compare.h"
#include "sim/machine/random.h"
#include "sim/seam/binding.h"
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

void round_trip(uint64_t seed, uint64_t most_pages, Executor& executor, unsigned threads = 1,
                const SaveOptions& options = {}) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  const GuestSpec spec = GuestSpec::random(seed, most_pages);
  auto a = source_host(spec, seed);
  auto b = target_host(spec, seed);
  const ScratchGuest guest = build_guest(*a, spec);
  const GuestView before = view_guest(*a, guest.domid);

  const Saved saved = engine_save(*a, guest.domid, executor, options);
  ASSERT_TRUE(saved.done()) << saved.sentence;
  EXPECT_FALSE(saved.asked_to_suspend) << "a guest that is suspended is saved as it is";
  const auto touched = compare_views(guest, before, view_guest(*a, guest.domid));
  EXPECT_TRUE(touched.empty()) << "the save changed the source:" << joined(touched);

  const Restored restored =
      engine_restore(*b, saved.image, create_target(*b, spec.pages, spec.vcpus), executor, threads);
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
    round_trip(seed, 1024, *make_seeded_executor(seed, static_cast<unsigned>(1 + seed % 4)));
}

TEST(Engine, does_so_on_threads) {
  auto executor = make_thread_executor(3);
  for (uint64_t seed = 100; seed < 106; ++seed) round_trip(seed, 4096, *executor, 3);
}

// To a sink of which nobody knows how fast it is next, the same each time.
SaveOptions with_a_level_of_the_moment(uint64_t seed) {
  SaveOptions options;
  options.level = std::nullopt;
  options.timeline = false;
  options.clock_ns = [random = Random(seed), now = uint64_t{0}]() mutable {
    return now += uint64_t{1} << random.below(30);
  };
  return options;
}

std::set<v1::Codec> codecs_of(const Bytes& image) {
  std::set<v1::Codec> codecs;
  MemorySource source(image);
  RecordReader reader(source);
  while (const auto raw = reader.next()) {
    const v1::Record record = parse_record(*raw);
    if (record.has_pages() && !record.pages().data().empty()) codecs.insert(record.pages().codec());
  }
  return codecs;
}

TEST(Engine, does_so_where_each_record_is_compressed_as_its_moment_would_have_it) {
  for (uint64_t seed = 300; seed < 310 && !HasFailure(); ++seed)
    round_trip(seed, 4096, *make_seeded_executor(seed, static_cast<unsigned>(1 + seed % 4)), 1,
               with_a_level_of_the_moment(seed));
}

TEST(Engine, stores_some_records_raw_and_some_not_where_the_sink_changes) {
  GuestSpec spec;
  spec.pages = 16384;
  auto host = source_host(spec, 1);
  const ScratchGuest guest = build_guest(*host, spec);
  const auto save = [&] {
    return engine_save(*host, guest.domid, *make_seeded_executor(1, 2),
                       with_a_level_of_the_moment(1))
        .image;
  };
  const Bytes image = save();
  EXPECT_EQ(codecs_of(image), (std::set{v1::RAW, v1::ZSTD}));
  EXPECT_EQ(save(), image) << "with the same times";
}

TEST(Engine, gives_frames_to_a_guest_with_many_holes_in_few_calls) {
  GuestSpec spec;
  spec.pages = 8192;
  spec.ballooned_percent = 50;
  auto a = source_host(spec, 1);
  auto b = target_host(spec, 1);
  const ScratchGuest guest = build_guest(*a, spec);
  auto executor = make_seeded_executor(1, 1);
  const Saved saved = engine_save(*a, guest.domid, *executor);
  ASSERT_TRUE(saved.done()) << saved.sentence;
  const RestoreTarget target = create_target(*b, spec.pages, spec.vcpus);
  b->faults().clear();
  const Restored restored = engine_restore(*b, saved.image, target, *executor);
  ASSERT_TRUE(restored.done()) << restored.sentence;
  EXPECT_LE(b->faults().calls(CallKind::memory_populate), spec.pages / 512);
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
    EXPECT_EQ(engine_save(*host, guest.domid, *make_seeded_executor(seed, 5), options).image,
              image);
  }
}

TEST(Engine, notices_that_somebody_else_resumed_the_guest_meanwhile) {
  const GuestSpec spec = GuestSpec::random(7, 1024);
  auto host = source_host(spec, 7);
  const ScratchGuest guest = build_guest(*host, spec);
  bool resumed = false;
  auto executor = make_seeded_executor(1, 2, [&] {
    if (!resumed) resume_domain(*host, guest.domid);
    resumed = true;
  });
  const Saved saved = engine_save(*host, guest.domid, *executor);
  EXPECT_EQ(saved.error, Errc::guest);
  EXPECT_NE(saved.sentence.find("resumed by somebody else"), std::string::npos) << saved.sentence;
}

// Names the first record in which two images differ, and the first page of it.
std::string first_difference(const Bytes& a, const Bytes& b) {
  MemorySource source_a(a), source_b(b);
  RecordReader reader_a(source_a), reader_b(source_b);
  uint64_t nr_pfns = 0;
  while (auto ra = reader_a.next()) {
    auto rb = reader_b.next();
    if (!rb || ra->bytes == rb->bytes) continue;
    const v1::Record record = parse_record(*ra);
    if (!record.has_pages()) return record.DebugString() + parse_record(*rb).DebugString();
    PagesDecoder da, db;
    const PagesView va = decode_pages(*ra, nr_pfns = ~0ull >> 12), vb = decode_pages(*rb, nr_pfns);
    const auto pa = da.decompress(*ra, va), pb = db.decompress(*rb, vb);
    size_t at = 0;
    for (const PageRun& run : va.runs)
      for (uint64_t i = 0; i < run.count && has_data(run.kind); ++i, at += kPageSize)
        for (size_t byte = 0; byte < kPageSize; ++byte)
          if (at + byte >= pb.size() || pa[at + byte] != pb[at + byte])
            return fmt::format("page {:#x} ({}) from byte {:#x}", run.first.raw() + i,
                               kind_name(run.kind), byte);
    return "runs of a Pages record";
  }
  return "";
}

// The same guest on hosts with other frame layouts: not one byte of the image tells them apart, so
// no machine frame of the source is in it.
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
    const Bytes from_a = engine_save(*a, ga.domid, *make_thread_executor(1), options).image;
    const Bytes from_b = engine_save(*b, gb.domid, *make_thread_executor(1), options).image;
    EXPECT_EQ(first_difference(from_a, from_b), "") << "seed " << seed;
    EXPECT_TRUE(from_a == from_b);
  }
}

}  // namespace
}  // namespace ferry::sim
