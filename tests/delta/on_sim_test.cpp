// Guests with a kernel on simulated hosts, saved again and again against what was saved before:
// the chain is the guest, in every page, and becomes it again on another host.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "audit/audit.h"
#include "delta/chain.h"
#include "delta/read_base.h"
#include "delta/squash.h"
#include "pipeline/seeded_executor.h"
#include "sim/kernel/sim_kernel.h"
#include "sim/machine/random.h"
#include "sim/seam/binding.h"
#include "tests/delta/make_delta.h"
#include "tests/engine/seeds.h"
#include "tests/engine/sim_engine.h"

namespace ferry::sim {
namespace {

using test::MemoryFile;
using testing::IsEmpty;

KernelSpec random_kernel(Random& random, uint64_t seed) {
  KernelSpec spec;
  spec.seed = seed;
  spec.pages = 600 + random.below(900);
  spec.growth = random.below(200);
  spec.vcpus = static_cast<unsigned>(1 + random.below(3));
  spec.form = random.chance(30) ? p2m_form::tree : p2m_form::list;
  return spec;
}

// What was saved of a guest so far.
class History {
 public:
  explicit History(Executor& executor) : executor_(executor) {}

  // Files of the chain, the newest last.
  std::vector<InputFile> links() const {
    std::vector<InputFile> links;
    for (const auto& file : files_) links.emplace_back(file->path());
    return links;
  }
  void add(const Bytes& image) { files_.push_back(std::make_unique<MemoryFile>(image)); }
  bool empty() const { return files_.empty(); }

  // What a save against the newest needs, as a program without rights hands it to the engine.
  BasePages base() const {
    BasePages filled = BasePages::make(1 << 16);
    delta::read_base(links(), filled, executor_);
    return BasePages::adopt(filled.fd());
  }
  ImageFile open() const { return delta::open_chain(links(), executor_); }

 private:
  Executor& executor_;
  std::vector<std::unique_ptr<MemoryFile>> files_;
};

struct Guest {
  Guest(Host& on, uint64_t seed, const KernelSpec& spec)
      : host(on), random(seed), kernel(SimKernel::create(on, spec)) {
    kernel->fill_memory(spec.pages / 2);
  }

  // Live: it works on between the calls of the save.
  Saved save(Executor& executor, BasePages* base, bool live, BasePages* page_hashes = nullptr) {
    SaveOptions options;
    options.timeline = false;
    options.level = static_cast<int>(random.below(3));
    options.base = base;
    options.page_hashes = page_hashes;
    uint64_t clock = 0;
    if (live) {
      options.live.emplace().policy.max_rounds = 1 + static_cast<uint32_t>(random.below(4));
      options.live->policy.max_downtime_us = 1;
      options.live->now_us = [&clock] { return clock += 1000; };
    } else if (!kernel->suspending()) {
      kernel->suspend();
    }
    bool working = false;
    if (live)
      host.set_before_call([&](const Call&) {
        if (working || kernel->suspending() || !random.chance(20)) return;
        working = true;
        kernel->step();
        working = false;
      });
    Saved saved = engine_save(host, kernel->domid(), executor, options, [&] { kernel->suspend(); });
    host.set_before_call({});
    return saved;
  }

  Host& host;
  Random random;
  std::unique_ptr<SimKernel> kernel;
};

void expect_whole(const ImageFile& chain, const Bytes& whole) {
  const MemoryFile file(whole);
  const ImageFile image = ImageFile::open(file.path());
  EXPECT_THAT(test::pages_that_differ(chain, image), IsEmpty());
}

Bytes squashed(const ImageFile& chain, Executor& executor) {
  MemorySink sink;
  delta::squash(chain, sink, executor, 1);
  return sink.bytes();
}

void expect_sound(const Bytes& image, Executor& executor) {
  const MemoryFile file(image);
  const audit::Result audited = audit::run(ImageFile::open(file.path()), {}, executor);
  EXPECT_TRUE(audited.clean());
  for (const auto& finding : audited.findings.kept())
    if (!audited.clean()) ADD_FAILURE() << finding.sentence;
}

void expect_the_guest(const Guest& guest, const Bytes& image, uint64_t seed, Executor& executor) {
  const auto target = Host::create({.seed = ~seed, .frames = 8192});
  const Restored restored =
      engine_restore(*target, image, create_target(*target, 4096, guest.kernel->vcpus()), executor);
  ASSERT_TRUE(restored.done()) << restored.sentence;
  const auto there = SimKernel::attach(*target, static_cast<DomainNumber>(restored.domid));
  EXPECT_EQ(there->checksum(), guest.kernel->checksum());
  EXPECT_EQ(there->ticks(), guest.kernel->ticks());
  EXPECT_THAT(there->check_memory(), IsEmpty());
}

// As a file, and back.
BasePages read_back(const BasePages& page_hashes) {
  MemorySink file;
  BasePages::adopt(page_hashes.fd()).write_to(file);
  BasePages again = BasePages::make(1 << 16);
  MemorySource source(file.bytes());
  again.read_from(source);
  return BasePages::adopt(again.fd());
}

// What was noted while an image was written is what reading it gives.
void expect_the_same(const BasePages& noted, const BasePages& read, const ImageFile& chain) {
  ASSERT_EQ(noted.nr_pfns(), read.nr_pfns());
  EXPECT_EQ(noted.name().sha256, read.name().sha256);
  EXPECT_EQ(noted.name().digest_of_digests, read.name().digest_of_digests);
  EXPECT_EQ(noted.name().bytes, read.name().bytes);
  ASSERT_EQ(chain.parts(), 1u);
  const std::vector<PageEntry> entries = chain.read_part(0);
  uint64_t with_data = 0;
  std::array<std::byte, kPageSize> bytes;
  for (uint64_t pfn = 0; pfn < noted.nr_pfns(); ++pfn) {
    ASSERT_EQ(noted.was_absent(pfn), read.was_absent(pfn)) << "pfn " << pfn;
    ASSERT_EQ(noted.was_zero(pfn), read.was_zero(pfn)) << "pfn " << pfn;
    if (!chain.read_page(pfn_t(pfn), bytes)) continue;
    ++with_data;
    const auto kind = static_cast<unsigned>(entries[pfn].kind);
    ASSERT_TRUE(noted.was(pfn, kind, bytes.data())) << "pfn " << pfn;
  }
  EXPECT_GT(with_data, 0u);
}

// Everything is the seed's: guest, what it does, how it is saved each time, and by which threads.
void random_history(uint64_t seed) {
  Random random(seed);
  const auto host = Host::create({.seed = seed, .frames = 8192});
  const KernelSpec spec = random_kernel(random, seed);
  Guest guest(*host, seed, spec);
  const auto executor = make_seeded_executor(seed, static_cast<unsigned>(1 + random.below(4)));
  History history(*executor);
  std::optional<BasePages> noted;  // the newest image's page hashes
  const uint64_t saves = 2 + random.below(4);
  for (uint64_t n = 0; n < saves && !::testing::Test::HasFailure(); ++n) {
    SCOPED_TRACE("save " + std::to_string(n));
    guest.kernel->run(static_cast<unsigned>(random.below(n == 0 ? 200 : 60)));
    std::optional<BasePages> base;
    // Either way to a base is as good as the other.
    const auto next_base = [&] {
      if (history.empty()) return;
      base.emplace(random.chance(50) ? history.base() : read_back(*noted));
    };
    next_base();
    const bool live = random.chance(50);
    std::optional<BasePages> hashes(BasePages::make(1 << 16));
    Saved saved = guest.save(*executor, base ? &*base : nullptr, live, &*hashes);
    if (live && saved.sentence.find("has grown") != std::string::npos) {  // then it stands still
      next_base();
      hashes.emplace(BasePages::make(1 << 16));
      saved = guest.save(*executor, base ? &*base : nullptr, false, &*hashes);
    }
    ASSERT_TRUE(saved.done()) << saved.sentence;
    history.add(saved.image);
    noted.emplace(std::move(*hashes));
    expect_the_same(read_back(*noted), history.base(), history.open());
    // The same guest, saved whole.
    SaveOptions options;
    options.timeline = false;
    const Saved whole = engine_save(*host, guest.kernel->domid(), *executor, options);
    ASSERT_TRUE(whole.done()) << whole.sentence;
    const ImageFile chain = history.open();
    expect_whole(chain, whole.image);
    const Bytes image = squashed(chain, *executor);
    const MemoryFile file(image);
    expect_whole(ImageFile::open(file.path()), whole.image);
    expect_sound(image, *executor);
    if (n + 1 == saves) expect_the_guest(guest, image, seed, *executor);
    resume_domain(*host, guest.kernel->domid());
  }
}

TEST(DeltaOnSim, a_chain_is_the_guest_whatever_it_did_and_however_it_was_saved) {
  for_seeds(25, random_history);
}

TEST(DeltaOnSim, of_a_guest_that_did_nothing_has_hardly_anything_in_it) {
  const auto host = Host::create({.seed = 3, .frames = 8192});
  Random random(3);
  Guest guest(*host, 3, random_kernel(random, 3));
  const auto executor = make_thread_executor(2);
  History history(*executor);
  const Saved whole = guest.save(*executor, nullptr, false);
  ASSERT_TRUE(whole.done()) << whole.sentence;
  history.add(whole.image);
  BasePages base = history.base();
  SaveOptions options;
  options.base = &base;
  const Saved delta = engine_save(*host, guest.kernel->domid(), *executor, options);
  ASSERT_TRUE(delta.done()) << delta.sentence;
  const MemoryFile file(delta.image);
  const ImageFile image = ImageFile::open_link(InputFile(file.path()));
  EXPECT_EQ(image.index_root().kind_pages_size(), 0) << "some page was written";
  EXPECT_LT(delta.image.size() * 2, whole.image.size());
}

}  // namespace
}  // namespace ferry::sim
