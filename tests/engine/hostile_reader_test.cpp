// The engine believes nothing of what a source of records says: somebody may have taken over the
// process that reads the image. No domain of such a restore can run.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <map>

#include "image_reader/image_records.h"
#include "pipeline/inline_executor.h"
#include "sim/builder/guest_view.h"
#include "sim/seam/binding.h"
#include "tests/engine/sim_engine.h"

namespace ferry::sim {
namespace {

using testing::HasSubstr;

// A sound image's records, each of which may be left out, said twice or changed on the way.
class Changed : public RecordSource, public GuestRecords {
 public:
  explicit Changed(std::span<const std::byte> image) : image_(image) {}

  void read(GuestRecords& into) override {
    into_ = &into;
    MemorySource source(image_);
    InlineExecutor executor;
    ImageRecords(source, executor).read(*this);
  }

  void head(const GuestHead& said) override {
    GuestHead head = said;
    if (change_head) change_head(head);
    into_->head(head);
    if (after_head) after_head(*into_);
  }
  void cpu_policy(std::span<const std::byte> l, std::span<const std::byte> m) override {
    into_->cpu_policy(l, m);
  }
  void populated(std::span<const PfnRun> said) override {
    std::vector<PfnRun> runs(said.begin(), said.end());
    if (change_populated) change_populated(runs);
    into_->populated(runs);
  }
  void pages(std::span<const KindRun> said, std::span<const std::byte> bytes) override {
    std::vector<KindRun> runs(said.begin(), said.end());
    memory.assign(bytes.begin(), bytes.end());
    find_tables(runs);
    if (change_runs) change_runs(runs);
    into_->pages(runs, memory);
    tables.clear();
  }
  void tsc(uint64_t record, const GuestTsc& tsc) override { into_->tsc(record, tsc); }
  void shared_info(uint64_t record, std::span<const std::byte> page) override {
    if (with_shared_info) into_->shared_info(record, page);
  }
  void vcpu(uint64_t record, GuestVcpu vcpu) override {
    for (unsigned i = 0; i < times_vcpu; ++i) {
      GuestVcpu one = vcpu;
      if (change_vcpu) change_vcpu(one);
      into_->vcpu(record, one);
    }
  }

  std::function<void(GuestHead&)> change_head;
  std::function<void(GuestRecords&)> after_head;
  std::function<void(std::vector<PfnRun>&)> change_populated;
  std::function<void(std::vector<KindRun>&)> change_runs;
  std::function<void(GuestVcpu&)> change_vcpu;
  bool with_shared_info = true;
  unsigned times_vcpu = 1;
  Bytes memory;                    // of the pages at hand
  std::vector<std::byte*> tables;  // and leaves of the p2m, in there

 private:
  void find_tables(const std::vector<KindRun>& runs) {
    std::byte* page = memory.data();
    for (const KindRun& run : runs)
      for (uint32_t i = 0; has_data(run.kind) && i < run.count; ++i, page += kPageSize)
        if (is_page_table(run.kind) || run.kind == PageKind::p2m_leaf) tables.push_back(page);
  }

  std::span<const std::byte> image_;
  GuestRecords* into_ = nullptr;
};

class HostileReader : public ::testing::Test {
 protected:
  void SetUp() override {
    spec_.pages = 256;
    spec_.processes = 1;
    auto source = Host::create({.seed = 5, .frames = 4096});
    const ScratchGuest guest = build_guest(*source, spec_);
    InlineExecutor executor;
    image_ = engine_save(*source, guest.domid, executor).image;
    host_ = Host::create({.seed = 6, .frames = 4096});
    records_.emplace(image_);
  }

  // What the engine says; "" if it restored the guest.
  std::string restore() {
    const BindThread bind(*host_);
    const RestoreTarget target = create_target(*host_, spec_.pages, 1);
    domid_ = raw(target.domid);
    std::string sentence;
    try {
      Hypervisor xen;
      restore_domain(xen, target, *records_, {});
    } catch (const Error& error) {
      code_ = error.code();
      sentence = error.what();
    }
    EXPECT_EQ(can_run(*host_, domid_), sentence.empty());
    EXPECT_EQ(seam_usage(), SeamUsage{});
    return sentence;
  }
  void expect_refused(const std::string& words) {
    const std::string sentence = restore();
    EXPECT_THAT(sentence, HasSubstr(words));
    EXPECT_EQ(code_, Errc::bad_image) << sentence;
  }

  GuestSpec spec_;
  Bytes image_;
  std::unique_ptr<Host> host_;
  std::optional<Changed> records_;
  uint32_t domid_ = 0;
  Errc code_{};
};

TEST_F(HostileReader, who_says_what_the_image_says_is_fine) {
  EXPECT_EQ(restore(), "");
}

TEST_F(HostileReader, of_pages_beyond_the_guest) {
  for (const uint64_t pfn : {uint64_t{256}, uint64_t{1} << 32, ~uint64_t{0}}) {
    records_.emplace(image_);
    records_->change_runs = [&](std::vector<KindRun>& runs) { runs.back().first = pfn_t(pfn); };
    expect_refused("out of order or beyond the guest's end");
  }
  records_.emplace(image_);
  records_->change_runs = [](std::vector<KindRun>& runs) { runs.back().count = UINT32_MAX; };
  expect_refused("out of order or beyond the guest's end");
}

TEST_F(HostileReader, of_pages_twice_or_of_none) {
  records_->change_runs = [](std::vector<KindRun>& runs) { runs.push_back(runs.front()); };
  expect_refused("out of order");
  records_.emplace(image_);
  records_->change_runs = [](std::vector<KindRun>& runs) { runs.front().count = 0; };
  expect_refused("out of order");
}

// The bytes behind those that came are not read.
TEST_F(HostileReader, of_more_pages_than_there_are_bytes) {
  records_->change_runs = [](std::vector<KindRun>& runs) {
    for (KindRun& run : runs)
      if (run.kind == PageKind::zero) run.kind = PageKind::data;
  };
  expect_refused("has too many pages");
}

TEST_F(HostileReader, of_more_pages_than_a_record_has) {
  records_->change_head = [](GuestHead& head) { head.nr_pfns = 1u << 20; };
  records_->change_runs = [](std::vector<KindRun>& runs) {
    runs = {{pfn_t(0), (1u << 16) + 1, PageKind::absent}};
  };
  expect_refused("has too many pages");
}

TEST_F(HostileReader, of_a_guest_that_cannot_be) {
  for (const uint64_t pfns : {uint64_t{0}, (uint64_t{1} << 32) + 1, ~uint64_t{0}}) {
    records_.emplace(image_);
    records_->change_head = [&](GuestHead& head) { head.nr_pfns = pfns; };
    expect_refused("1 to 4294967296 are possible");
  }
}

TEST_F(HostileReader, of_a_guest_larger_than_its_domain) {
  records_->change_head = [](GuestHead& head) { head.populated_pages = 1u << 20; };
  EXPECT_THAT(restore(), HasSubstr("the domain may have only"));
  EXPECT_EQ(code_, Errc::no_memory);
}

TEST_F(HostileReader, of_frames_beyond_the_guest) {
  for (const PfnRun run : {PfnRun{pfn_t(257), 1}, PfnRun{pfn_t(255), 2},
                           PfnRun{pfn_t(1), ~uint64_t{0}}, PfnRun{pfn_t(~uint64_t{0}), 2}}) {
    records_.emplace(image_);
    records_->change_populated = [&](std::vector<PfnRun>& runs) { runs.push_back(run); };
    expect_refused("beyond the guest's end");
  }
}

TEST_F(HostileReader, of_two_heads) {
  records_->after_head = [](GuestRecords& into) { into.head({.nr_pfns = 5}); };
  expect_refused("it has a second head");
}

TEST_F(HostileReader, of_a_policy_too_late_or_too_large) {
  records_->after_head = [](GuestRecords& into) {
    into.populated({});
    into.cpu_policy(Bytes(24), {});
  };
  expect_refused("twice or too late");
  records_.emplace(image_);
  records_->after_head = [](GuestRecords& into) {
    into.cpu_policy(Bytes(kMostPolicyBytes + 8), {});
  };
  expect_refused("too many");
}

TEST_F(HostileReader, without_what_a_guest_needs) {
  records_->with_shared_info = false;
  expect_refused("it lacks the guest's shared_info");
  records_.emplace(image_);
  records_->times_vcpu = 0;
  expect_refused("it lacks the guest's vCPU 0");
}

TEST_F(HostileReader, of_vcpus_twice_too_large_or_too_many) {
  records_->times_vcpu = 2;
  expect_refused("repeats what an earlier one says");
  records_.emplace(image_);
  records_->change_vcpu = [](GuestVcpu& vcpu) { vcpu.xsave.resize(kMostVcpuBytes); };
  expect_refused("bytes of state, too much");
  records_.emplace(image_);
  records_->change_vcpu = [](GuestVcpu& vcpu) { vcpu.id = 1; };
  expect_refused("its head has ids up to 0");
  records_.emplace(image_);
  records_->change_vcpu = [](GuestVcpu& vcpu) { vcpu.basic.pop_back(); };
  expect_refused("the registers of vCPU 0 have");
}

// Registers that would lead Xen out of the guest.
TEST_F(HostileReader, of_registers_that_name_no_page) {
  records_->change_vcpu = [](GuestVcpu& vcpu) {
    std::memset(vcpu.basic.data(), 0xff, vcpu.basic.size());
  };
  expect_refused("the image is bad");
}

std::map<uint64_t, std::vector<uint8_t>> tables_of(const GuestView& view) {
  std::map<uint64_t, std::vector<uint8_t>> tables;
  for (const auto& [pfn, page] : view.pages)
    if (page.type != PageType::none) tables[pfn] = page.bytes;
  return tables;
}

// Between the look at a table and its use the engine speaks to Xen; whoever shares the memory can
// change the table then. What goes into the guest is what was looked at.
TEST_F(HostileReader, who_changes_tables_after_they_were_checked_changes_nothing) {
  EXPECT_EQ(restore(), "");
  const auto undisturbed = tables_of(view_guest(*host_, static_cast<DomainNumber>(domid_)));
  EXPECT_GT(undisturbed.size(), 4u);
  destroy_domain(*host_, domid_);

  unsigned changed = 0;
  host_->set_before_call([&](const Call&) {
    for (std::byte* table : records_->tables) std::memset(table, 0x67, kPageSize);
    changed += static_cast<unsigned>(records_->tables.size());
  });
  EXPECT_EQ(restore(), "");
  host_->set_before_call({});
  EXPECT_GT(changed, 0u);
  EXPECT_EQ(tables_of(view_guest(*host_, static_cast<DomainNumber>(domid_))), undisturbed);
}

}  // namespace
}  // namespace ferry::sim
