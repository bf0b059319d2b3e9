// Every command that reads an image, times every image that is made to cost memory: what it has at
// most follows what the image says, not what it could have said.
#include <gtest/gtest.h>

#include "proto/record_writer.h"
#include "tests/audit/image_builder.h"
#include "tests/audit/memory_limit.h"

namespace ferry::test {
namespace {

constexpr uint64_t kMost = uint64_t{1} << 32;
constexpr const char* kConfig =
    R"({"c_info":{"name":"evil","uuid":"11111111-2222-3333-4444-555555555555"},)"
    R"("b_info":{"max_vcpus":2,"max_memkb":4096}})";

// The head of a small guest, but with nr_pfns; and whatever write puts behind it.
Bytes image_of(uint64_t nr_pfns, const std::function<void(RecordWriter&)>& write,
               const std::string& config = kConfig) {
  MemorySink sink;
  RecordWriter writer(sink, nr_pfns);
  v1::Record record;
  *record.mutable_head() = TestGuest().head;
  record.mutable_head()->set_nr_pfns(nr_pfns);
  writer.write(record);
  record.mutable_config()->set_libxl_json(config);
  record.mutable_config()->set_xl_flags(3);
  writer.write(record);
  write(writer);
  writer.finish();
  return sink.bytes();
}

void put(RecordWriter& writer, PagesEncoder& encoder, const std::vector<PageRun>& runs) {
  writer.write_pages(encoder.encode(writer.next_sequence(), 0, runs, {}), runs);
}

// One zero page in each so many pfns.
void write_sparse(RecordWriter& writer, uint64_t distance) {
  PagesEncoder encoder(1);
  std::vector<PageRun> runs;
  for (uint64_t pfn = 0; pfn < kMost; pfn += distance) {
    runs.push_back({pfn_t(pfn), 1, v1::ZERO});
    if (runs.size() < 16'384 && pfn + distance < kMost) continue;
    put(writer, encoder, runs);
    runs.clear();
  }
}

TEST(HostileMemory, an_index_that_says_nothing) {
  expect_bounded("nothing of 2^32 pfns", 0, [] { return image_of(kMost, [](RecordWriter&) {}); });
}

TEST(HostileMemory, pages_that_lie_far_apart) {
  for (const uint64_t distance : {uint64_t{1} << 16, uint64_t{1} << 12})
    expect_bounded("one page here and there", kMost / distance, [=] {
      return image_of(kMost, [=](RecordWriter& writer) { write_sparse(writer, distance); });
    });
}

// Each record says it of 65536 pfns, in a few bytes.
TEST(HostileMemory, holes_from_one_end_to_the_other) {
  expect_bounded("2^30 holes", 0, [] {
    return image_of(uint64_t{1} << 30, [](RecordWriter& writer) {
      PagesEncoder encoder(1);
      for (uint64_t pfn = 0; pfn < uint64_t{1} << 30; pfn += kMaxPfnsPerRecord)
        put(writer, encoder, {{pfn_t(pfn), kMaxPfnsPerRecord, v1::ABSENT}});
    });
  });
}

TEST(HostileMemory, a_list_of_p2m_leaves_for_16_tib) {
  expect_bounded("2^23 leaves", kMost / 512, [] {
    return image_of(kMost, [](RecordWriter& writer) {
      const std::vector<uint64_t> pfns(1u << 18, 13);
      for (uint64_t first = 0; first < kMost / 512; first += pfns.size()) {
        v1::Record record;
        record.mutable_p2m_frames()->set_first_leaf(first);
        record.mutable_p2m_frames()->mutable_leaf_pfns()->Assign(pfns.begin(), pfns.end());
        writer.write(record);
      }
    });
  });
}

// Many of each kind, of which a guest has one or a few.
TEST(HostileMemory, records_that_are_repeated) {
  const auto repeat = [](const char* what, int times,
                         const std::function<void(v1::Record&, int)>& fill) {
    expect_bounded(what, 600, [=] {
      return image_of(600, [=](RecordWriter& writer) {
        for (int i = 0; i < times; ++i) {
          v1::Record record;
          fill(record, i);
          writer.write(record);
        }
      });
    });
  };
  const std::string large(5u << 20, 'x');
  repeat("40 vCPUs of 5 MiB", 40, [&](v1::Record& record, int i) {
    record.mutable_vcpu()->set_id(static_cast<uint32_t>(i));
    record.mutable_vcpu()->set_xsave(large);
  });
  repeat("100,000 small vCPUs", 100'000, [&](v1::Record& record, int i) {
    record.mutable_vcpu()->set_id(static_cast<uint32_t>(i));
    record.mutable_vcpu()->set_basic("x");
  });
  repeat("40 configurations", 40,
         [&](v1::Record& record, int) { record.mutable_config()->set_libxl_json(large); });
  repeat("40 CPU policies", 40,
         [&](v1::Record& record, int) { record.mutable_cpu_policy()->set_msrs(large); });
  repeat("40 pages of shared_info", 40,
         [&](v1::Record& record, int) { record.mutable_shared_info()->set_page(large); });
  repeat("300,000 small records", 300'000,
         [&](v1::Record& record, int) { record.mutable_tsc()->set_mode(1); });
}

TEST(HostileMemory, a_configuration_that_nests_deep) {
  std::string deep = R"({"c_info":{"name":)" + std::string(1'500'000, '[');
  deep += std::string(1'500'000, ']') + "}}";
  expect_bounded("3 MB of brackets", 600, [&] {
    return image_of(
        600, [](RecordWriter&) {}, deep);
  });
}

}  // namespace
}  // namespace ferry::test
