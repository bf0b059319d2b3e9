// A guest of a simulated host as it is lent to who reads it: the same as its image if it stands
// still, and in pfn form, with what was lost counted, if it runs.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cstring>
#include <thread>

#include "borrow/borrowed_guest.h"
#include "evidence/core.h"
#include "evidence/diff.h"
#include "io/descriptor.h"
#include "lend/answer.h"
#include "pipeline/seeded_executor.h"
#include "sim/seam/binding.h"
#include "tests/audit/audit_image.h"
#include "tests/engine/seeds.h"
#include "tests/engine/sim_engine.h"
#include "tests/live/busy_guest.h"

namespace ferry::sim {
namespace {

using evidence::ChangedPage;
using test::MemoryFile;

domid_t domid_of(uint32_t number) {
  return domid_t{static_cast<uint16_t>(number)};
}

// Somebody who answers, in a thread that has the host's hypervisor, as a process would.
class Answering {
 public:
  Answering(Host& host, uint32_t domid) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) fail(Errc::io, "no socket");
    ours_.reset(ends[0]);
    theirs_.reset(ends[1]);
    thread_ = std::thread([this, &host, domid] {
      BindThread bind(host);
      Hypervisor xen;
      FdSource questions(theirs_.get(), "the reader");
      FdSink answers(theirs_.get(), "the reader");
      lend::LentGuest guest(xen, domid_of(domid), std::nullopt);
      lend::answer(guest, "web1", questions, answers);
    });
    lender_ = std::make_shared<borrow::Lender>(ours_.get(), ours_.get(), "web1");
  }
  ~Answering() {
    shutdown(ours_.get(), SHUT_RDWR);
    thread_.join();
  }
  const std::shared_ptr<borrow::Lender>& lender() const { return lender_; }

 private:
  Descriptor ours_, theirs_;
  std::thread thread_;
  std::shared_ptr<borrow::Lender> lender_;
};

std::vector<std::string> differences(const ImageFile& a, const ImageFile& b, Executor& executor) {
  const evidence::GuestPages pages_a(a), pages_b(b);
  std::vector<std::string> all;
  evidence::diff_pages(pages_a, pages_b, executor, [&](const ChangedPage& page) {
    all.push_back(
        fmt::format("pfn {:#x}: {} -> {}", page.pfn, kind_name(page.from), kind_name(page.to)));
  });
  for (const auto& vcpu : evidence::diff_vcpus(a, b))
    all.push_back(fmt::format("vCPU {}: {}", vcpu.id, fmt::join(vcpu.parts, ", ")));
  for (const auto& record : evidence::diff_records(a, b))
    all.push_back(fmt::format("{}: {} -> {}", record.name, record.from, record.to));
  return all;
}

Bytes core_of(const ImageFile& image, Executor& executor) {
  MemorySink sink;
  evidence::StreamedFile streamed(sink);
  evidence::write_core(image, {}, streamed, executor);
  return sink.bytes();
}

// Everything about the guest and the host is the seed's.
void expect_a_suspended_one_to_be_its_image(uint64_t seed) {
  const GuestSpec spec = GuestSpec::random(seed, 1024);
  auto host = Host::create({.seed = seed, .frames = spec.pages + 2048});
  const ScratchGuest guest = build_guest(*host, spec);
  const auto executor = make_seeded_executor(seed, 1 + seed % 4);
  const Saved saved = engine_save(*host, guest.domid, *executor);
  ASSERT_TRUE(saved.done()) << saved.sentence;
  const MemoryFile file(saved.image);
  const ImageFile image = ImageFile::open(file.path());
  const Answering answering(*host, guest.domid);
  const ImageFile lent = borrow::open_borrowed(answering.lender());
  const auto found = differences(image, lent, *executor);
  EXPECT_TRUE(found.empty()) << fmt::format("{}", fmt::join(found, "\n  "));
  EXPECT_TRUE(core_of(image, *executor) == core_of(lent, *executor));
  const borrow::Seen seen = answering.lender()->seen();
  EXPECT_TRUE(seen.one_moment);
  EXPECT_EQ(seen.lost_pages, 0u);
  EXPECT_EQ(seen.lost_entries, 0u);
}

TEST(LentGuest, that_stands_still_is_what_its_image_says) {
  for_seeds(8, expect_a_suspended_one_to_be_its_image);
}

// What is in a record of a batch, in order.
struct Read {
  explicit Read(std::span<const std::byte> bytes, uint64_t batch, uint64_t pfns)
      : record(frame_record(Bytes(bytes.begin(), bytes.end()), batch, 0)) {
    check_digest(record);
    view = decode_pages(record, pfns);
  }
  // visit(pfn, kind, page)
  template <typename Visit>
  void each(Visit visit) {
    PagesDecoder decoder;
    auto pages = decoder.decompress(record, view);
    for (const PageRun& run : view.runs)
      for (uint64_t i = 0; i < run.count; ++i, pages = pages.subspan(kPageSize))
        visit(run.first.raw() + i, run.kind, pages.first(kPageSize));
  }
  RawRecord record;
  PagesView view;
};

struct Running {
  explicit Running(uint64_t seed)
      : host(Host::create({.seed = seed, .frames = 16384, .shadow_paging = false})), bind(*host) {
    GuestSpec spec;
    spec.pages = 1500;
    guest = std::make_unique<BusyGuest>(*host, spec, seed);
  }
  std::unique_ptr<Host> host;
  BindThread bind;
  Hypervisor xen;
  std::unique_ptr<BusyGuest> guest;
};

uint64_t frames_named(std::span<const std::byte> table, uint64_t from) {
  uint64_t named = 0;
  for (size_t i = 0; i < 512; ++i) {
    uint64_t entry;
    std::memcpy(&entry, table.data() + i * sizeof entry, sizeof entry);
    named += (entry & 1) != 0 && (entry & 0x000f'ffff'ffff'f000) >> 12 >= from;
  }
  return named;
}

void expect_no_frame_of_the_host_in_one_that_runs(uint64_t seed) {
  Running running(seed);
  lend::LentGuest lent(running.xen, domid_of(running.guest->domid()), std::nullopt);
  for (int i = 0; i < 50; ++i) running.guest->step();
  lent.look();
  uint64_t pages = 0, tables = 0, beyond = 0;
  const uint64_t batches = (1500 + borrow::kPfnsPerBatch - 1) / borrow::kPfnsPerBatch;
  for (uint64_t batch = 0; batch < batches; ++batch) {
    for (int i = 0; i < 200; ++i) running.guest->step();
    const auto bytes = lent.pages(batch);
    ASSERT_FALSE(bytes.empty());
    Read(bytes, batch, 1500)
        .each([&](uint64_t, v1::PageKind kind, std::span<const std::byte> page) {
          ++pages;
          if (!ferry::is_page_table(kind)) return;
          ++tables;
          beyond += frames_named(page, 1500);
        });
  }
  EXPECT_GT(pages, 1000u);
  EXPECT_GT(tables, 3u);
  EXPECT_EQ(beyond, 0u) << "a table names a frame of the host";
  EXPECT_FALSE(lent.seen().one_moment);
}

TEST(LentGuest, that_runs_is_in_pfn_form_whatever_it_does_meanwhile) {
  for_seeds(8, expect_no_frame_of_the_host_in_one_that_runs);
}

TEST(LentGuest, whose_pages_go_away_between_look_and_read_has_zeros_there_and_they_are_counted) {
  Running running(5);
  lend::LentGuest lent(running.xen, domid_of(running.guest->domid()), std::nullopt);
  lent.look();
  const auto given_back = [&] { return running.guest->counts().given_back; };
  const uint64_t before = given_back();
  for (int i = 0; i < 20'000 && given_back() < before + 20; ++i) running.guest->step();
  ASSERT_GE(given_back(), before + 20);
  for (uint64_t batch = 0; batch * borrow::kPfnsPerBatch < 1500; ++batch) lent.pages(batch);
  EXPECT_GT(lent.seen().lost_pages, 0u);
  lent.look();  // anew
  EXPECT_EQ(lent.seen().lost_pages, 0u);
}

TEST(LentGuest, that_is_destroyed_meanwhile_is_an_error) {
  Running running(6);
  lend::LentGuest lent(running.xen, domid_of(running.guest->domid()), std::nullopt);
  lent.look();
  EXPECT_FALSE(lent.pages(0).empty());
  destroy_domain(*running.host, running.guest->domid());
  try {
    lent.pages(0);
    FAIL() << "it is gone";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::no_domain) << error.what();
  }
}

TEST(LentGuest, is_not_domain_0) {
  Running running(7);
  EXPECT_THROW(lend::LentGuest(running.xen, domid_t{0}, std::nullopt), Error);
}

}  // namespace
}  // namespace ferry::sim
