// Guests of simulated hosts: what two engines saved, or two hosts had, is the same to ferry diff
// and makes the same core.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "convert/import.h"
#include "evidence/core.h"
#include "evidence/diff.h"
#include "pipeline/seeded_executor.h"
#include "sim/builder/guest_builder.h"
#include "tests/audit/audit_image.h"
#include "tests/engine/seeds.h"
#include "tests/engine/sim_engine.h"
#include "tests/sim/stock_engine.h"
#include "tests/sim/stock_tools.h"

namespace ferry::sim {
namespace {

using evidence::ChangedPage;
using test::MemoryFile;

Bytes stock_image(Host& host, uint32_t domid, Executor& executor) {
  const int fd = scratch_file();
  EXPECT_EQ(stock_save(host, domid, fd), 0);
  const InputFile file(fmt::format("/proc/self/fd/{}", fd));
  close(fd);
  const auto place = convert::find_libxc_stream(file);
  if (!place) fail(Errc::bad_image, "no stream");
  MemorySink sink;
  convert::import_stream(file, *place, {.level = 1, .config = {}, .origin = {}}, sink, executor);
  return sink.bytes();
}

struct Open {
  explicit Open(const Bytes& bytes)
      : file(bytes), image(ImageFile::open(file.path())), pages(image, 2) {}
  MemoryFile file;
  ImageFile image;
  evidence::GuestPages pages;
};

std::vector<std::string> differences(const Open& a, const Open& b, Executor& executor) {
  std::vector<std::string> all;
  evidence::diff_pages(a.pages, b.pages, executor, [&](const ChangedPage& page) {
    all.push_back(
        fmt::format("pfn {:#x}: {} -> {}", page.pfn, kind_name(page.from), kind_name(page.to)));
  });
  for (const auto& vcpu : evidence::diff_vcpus(a.image, b.image))
    all.push_back(fmt::format("vCPU {}: {}", vcpu.id, fmt::join(vcpu.parts, ", ")));
  return all;
}

Bytes core_of(const Open& open, Executor& executor) {
  MemorySink sink;
  evidence::StreamedFile streamed(sink);
  evidence::write_core(open.image, {}, streamed, executor);
  return sink.bytes();
}

// Everything about the guest and the hosts is the seed's.
void expect_the_same(uint64_t seed) {
  GuestSpec spec = GuestSpec::random(seed, 1024);
  spec.p2m = P2mForm::linear;  // the pages of a tree's lists hold frame numbers of the host
  auto a = Host::create({.seed = seed, .frames = spec.pages + 2048});
  auto b = Host::create({.seed = seed + 1000003, .frames = spec.pages + 2048 + seed % 1000});
  const ScratchGuest guest_a = build_guest(*a, spec), guest_b = build_guest(*b, spec);
  const auto executor = make_seeded_executor(seed, 1 + seed % 4);
  const Saved saved_a = engine_save(*a, guest_a.domid, *executor),
              saved_b = engine_save(*b, guest_b.domid, *executor);
  ASSERT_TRUE(saved_a.done() && saved_b.done()) << saved_a.sentence << saved_b.sentence;
  const Open image_a(saved_a.image), image_b(saved_b.image),
      image_of_stock(stock_image(*a, guest_a.domid, *executor));
  for (const Open* other : {&image_b, &image_of_stock}) {
    const auto found = differences(image_a, *other, *executor);
    EXPECT_TRUE(found.empty()) << (other == &image_b ? "on another host" : "by the stock engine")
                               << fmt::format(":\n  {}", fmt::join(found, "\n  "));
    EXPECT_TRUE(core_of(image_a, *executor) == core_of(*other, *executor));
  }
}

TEST(EvidenceOnSim, is_the_same_whoever_saved_the_guest_and_wherever) {
  for_seeds(12, expect_the_same);
}

}  // namespace
}  // namespace ferry::sim
