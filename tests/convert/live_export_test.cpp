// An image that goes out as a libxc stream while it is written is restored by Xen's own engine.
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "convert/live_export.h"
#include "error/error.h"
#include "pipeline/seeded_executor.h"
#include "sim/builder/compare.h"
#include "sim/machine/random.h"
#include "tests/engine/sim_engine.h"
#include "tests/files/folder.h"
#include "tests/live/busy_guest.h"
#include "tests/sim/stock_engine.h"
#include "tests/sim/stock_tools.h"

namespace ferry::sim {
namespace {

// The stream that comes out, whatever the pieces in which the image goes in.
Bytes streamed(const Bytes& image, uint64_t seed) {
  Random random(seed);
  MemorySink out;
  convert::LibxcSink sink(out);
  for (std::span<const std::byte> rest = image; !rest.empty();) {
    const size_t n = std::min<size_t>(rest.size(), 1 + random.below(seed % 2 ? 100 : 300'000));
    sink.write(rest.first(n));
    rest = rest.subspan(n);
  }
  return out.bytes();
}

int file_of(const Bytes& bytes) {
  const int fd = scratch_file();
  EXPECT_EQ(write(fd, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  lseek(fd, 0, SEEK_SET);
  return fd;
}

// What stock leaves stale: p2m_cr3, which in a stream of ours is the root's pfn; the pages of an
// end of the p2m without memory; and frames of pages that were given back after they had been sent.
bool on_purpose(const std::string& sentence) {
  return sentence.find("p2m_cr3") != sentence.npos || sentence.starts_with("start_info says") ||
         sentence.find("has memory that it had not before") != sentence.npos ||
         sentence.find(" pages became ") != sentence.npos;
}

void restore_with_stock(const Bytes& stream, const GuestSpec& spec, const ScratchGuest& built,
                        const GuestView& before, Host& host) {
  const int fd = file_of(stream);
  const StockRestored restored = stock_restore(host, fd, spec.pages, spec.vcpus);
  close(fd);
  ASSERT_EQ(restored.os_errno, 0);
  auto differences =
      compare_restored(built, before, host, static_cast<DomainNumber>(restored.domid), kStockRules);
  std::erase_if(differences, on_purpose);
  for (const std::string& sentence : differences) ADD_FAILURE() << sentence;
}

TEST(LiveExport, of_a_suspended_guest_is_verified_and_restored_by_stock) {
  for (uint64_t seed = 1; seed <= 30 && !::testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const GuestSpec spec = GuestSpec::random(seed, 1024);
    const auto source = Host::create({.seed = seed, .frames = spec.pages + 2048});
    const auto target = Host::create({.seed = ~seed, .frames = spec.pages + 2048});
    const ScratchGuest guest = build_guest(*source, spec);
    const GuestView before = view_guest(*source, guest.domid);
    SaveOptions options;
    options.level = seed % 3 ? 0 : 1;
    const Saved saved = engine_save(*source, guest.domid, *make_seeded_executor(seed, 3), options);
    ASSERT_TRUE(saved.done()) << saved.sentence;
    const Bytes stream = streamed(saved.image, seed);
    if (seed <= 6) {
      const TestFolder folder;
      const std::string path = folder.path("stream");
      std::ofstream(path, std::ios::binary)
          .write(reinterpret_cast<const char*>(stream.data()),
                 static_cast<std::streamsize>(stream.size()));
      EXPECT_EQ(verify_stream(path), "");
    }
    restore_with_stock(stream, spec, guest, before, *target);
  }
}

TEST(LiveExport, of_a_guest_that_works_meanwhile_is_restored_as_it_was_when_suspended) {
  unsigned rounds = 0;
  for (uint64_t seed = 1; seed <= 60 && !::testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const GuestSpec spec = GuestSpec::random(seed, 900);
    const auto source =
        Host::create({.seed = seed, .frames = spec.pages + 2048, .shadow_paging = seed % 2 == 0});
    const auto target = Host::create({.seed = ~seed, .frames = spec.pages + 4096});
    std::unique_ptr<BusyGuest> guest;
    try {
      guest = std::make_unique<BusyGuest>(*source, spec, seed);
    } catch (const Error&) {
      continue;  // not every guest that can be drawn can be built
    }
    Random random(seed);
    bool working = false;
    const auto work = [&] {
      if (working || guest->suspended() || !random.chance(30)) return;
      working = true;
      guest->step();
      working = false;
    };
    source->set_before_call([&](const Call&) { work(); });
    SaveOptions options;
    options.level = 0;
    options.live.emplace().policy.max_rounds = 1 + static_cast<uint32_t>(seed % 4);
    options.live->policy.max_downtime_us = 1;
    const Saved saved = engine_save(*source, guest->domid(), *make_seeded_executor(seed, 3, work),
                                    options, [&] { guest->suspend(); });
    source->set_before_call({});
    ASSERT_TRUE(saved.done()) << saved.sentence;
    const GuestView before = view_guest(*source, guest->domid());
    restore_with_stock(streamed(saved.image, seed), spec, guest->built(), before, *target);
    ++rounds;
  }
  EXPECT_GT(rounds, 40u);
}

TEST(LiveExport, of_what_is_no_image_is_refused) {
  MemorySink out;
  convert::LibxcSink sink(out);
  EXPECT_THROW(sink.write(Bytes(200)), Error);
}

}  // namespace
}  // namespace ferry::sim
