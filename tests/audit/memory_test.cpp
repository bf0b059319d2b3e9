// The memory limit of image commands: 64 MiB and 32 bytes for each pfn, on hostile images too.
#include <gtest/gtest.h>

#include "delta/identity.h"
#include "pipeline/inline_executor.h"
#include "proto/record_reader.h"
#include "proto/record_writer.h"
#include "tests/audit/image_builder.h"
#include "tests/audit/memory_limit.h"

namespace ferry::test {
namespace {

// A head that names nr_pfns, and whatever write puts behind it.
Bytes image_of(uint64_t nr_pfns, const std::function<void(RecordWriter&)>& write) {
  MemorySink sink;
  RecordWriter writer(sink, nr_pfns);
  v1::Record record;
  *record.mutable_head() = TestGuest().head;
  record.mutable_head()->set_nr_pfns(nr_pfns);
  writer.write(record);
  write(writer);
  writer.finish();
  return sink.bytes();
}

// A delta of the image in that file.
Bytes delta_upon(const std::string& path, uint64_t nr_pfns,
                 const std::function<void(RecordWriter&, uint64_t)>& write) {
  InlineExecutor executor;
  const ImageFile base = ImageFile::open(path);
  const BaseName name = delta::identify(base, path, executor);
  MemorySink sink;
  RecordWriter writer(sink, nr_pfns);
  v1::Record record;
  v1::Head& head = *record.mutable_head();
  head = TestGuest().head;
  head.set_nr_pfns(nr_pfns);
  head.add_required_features(kDeltaFeature);
  head.mutable_base()->set_sha256(name.sha256.data(), name.sha256.size());
  head.mutable_base()->set_digest_of_digests(name.digest_of_digests.data(),
                                             name.digest_of_digests.size());
  head.mutable_base()->set_bytes(name.bytes);
  writer.write(record);
  write(writer, nr_pfns);
  writer.finish();
  return sink.bytes();
}

// Batches like the first, until all pfns are covered; their pages are full of one byte.
void write_batches(RecordWriter& writer, int level, PageRun run, uint64_t pfns) {
  PagesEncoder encoder(level);
  const Bytes pages(has_data(run.kind) ? run.count * kPageSize : 0, std::byte{0x67});
  for (; run.first.raw() < pfns; run.first = run.first + run.count)
    writer.write_pages(encoder.encode(writer.next_sequence(), 0, {&run, 1}, pages), {&run, 1});
}

// Every other page is a hole: no two pages share a run anywhere.
void write_holes(RecordWriter& writer, uint64_t pfns) {
  PagesEncoder encoder(1);
  for (uint64_t first = 0; first < pfns; first += kMaxPfnsPerRecord) {
    std::vector<PageRun> runs;
    for (uint64_t i = 0; i < kMaxPfnsPerRecord; ++i)
      runs.push_back({pfn_t(first + i), 1, i % 2 == 0 ? v1::ZERO : v1::ABSENT});
    writer.write_pages(encoder.encode(writer.next_sequence(), 0, runs, {}), runs);
  }
}

TEST(Memory, grows_by_32_bytes_a_pfn_at_most) {
  const uint64_t pfns = uint64_t{8} << 20;
  expect_modest(pfns, [&] {
    return image_of(pfns, [&](RecordWriter& writer) { write_holes(writer, pfns); });
  });
}

// A delta of an image in which no two pages share a run, with as many runs of its own.
TEST(Memory, grows_by_32_bytes_a_pfn_at_most_of_a_chain) {
  const uint64_t pfns = uint64_t{2} << 20;
  expect_modest_chain(
      pfns,
      [&] { return image_of(pfns, [&](RecordWriter& writer) { write_holes(writer, pfns); }); },
      [&](const std::string& path) { return delta_upon(path, pfns, write_holes); });
}

// Each record of both is 4 MiB as it is, or decompresses to that; half of the base's pages stay.
TEST(Memory, does_not_grow_with_the_size_of_a_chains_batches) {
  for (const int level : {0, 1}) {
    const uint64_t pfns = 12 * kMaxPagesPerRecord;
    expect_modest_chain(
        0,
        [&] {
          return image_of(pfns, [&](RecordWriter& writer) {
            write_batches(writer, level, {pfn_t(0), kMaxPagesPerRecord, v1::DATA}, pfns);
          });
        },
        [&](const std::string& path) {
          return delta_upon(path, pfns, [&](RecordWriter& writer, uint64_t) {
            write_batches(writer, level, {pfn_t(512), kMaxPagesPerRecord, v1::DATA}, pfns - 1024);
          });
        });
  }
}

// Each record is tiny and decompresses to 4 MiB.
TEST(Memory, does_not_grow_with_the_size_of_decompressed_batches) {
  const uint64_t pfns = 16 * kMaxPagesPerRecord;
  expect_modest(0, [&] {
    return image_of(pfns, [&](RecordWriter& writer) {
      write_batches(writer, 1, {pfn_t(0), kMaxPagesPerRecord, v1::L1}, pfns);
    });
  });
}

// Each record is 4 MiB as it is.
TEST(Memory, does_not_grow_with_the_size_of_stored_batches) {
  const uint64_t pfns = 12 * kMaxPagesPerRecord;
  expect_modest(0, [&] {
    return image_of(pfns, [&](RecordWriter& writer) {
      write_batches(writer, 0, {pfn_t(0), kMaxPagesPerRecord, v1::P2M_LEAF}, pfns);
    });
  });
}

// A million findings are counted, not hoarded.
TEST(Memory, does_not_grow_with_the_number_of_findings) {
  expect_modest(0, [] {
    TestGuest guest;
    guest.head.set_nr_pfns(3000);
    for (uint64_t pfn = 1000; pfn < 3000; ++pfn) {
      guest.pages[pfn].kind = v1::L2;
      guest.pages[pfn].words.fill(table_entry(TestGuest::kData, 0x118));
    }
    return build(guest);
  });
}

// Small numbers in records of the largest size become many large ones in memory.
TEST(Memory, does_not_grow_with_lists_of_small_numbers) {
  expect_modest(0, [] {
    const std::vector<uint64_t> ones(3u << 20, 1);
    return image_of(600, [&](RecordWriter& writer) {
      v1::Record record;
      record.mutable_populated()->mutable_runs()->Assign(ones.begin(), ones.end());
      for (int i = 0; i < 8; ++i) writer.write(record);
      record.Clear();
      record.mutable_p2m_frames()->mutable_leaf_pfns()->Assign(ones.begin(), ones.end());
      for (int i = 0; i < 8; ++i) writer.write(record);
    });
  });
}

// The largest configuration that is read, full of the smallest things there are.
TEST(Memory, does_not_grow_with_the_number_of_devices) {
  expect_modest(0, [] {
    TestGuest guest;
    std::string devices = "{}";
    while (devices.size() < (255u << 10)) devices += ",{}";
    guest.config.emplace().set_libxl_json(R"({"disks":[)" + devices + "]}");
    return build(guest);
  });
}

// Records of vCPUs that have next to nothing, or as much as a record can have.
TEST(Memory, does_not_grow_with_the_number_of_vcpus) {
  const auto with_vcpus = [](uint32_t vcpus, size_t bytes) {
    return image_of(600, [&](RecordWriter& writer) {
      v1::Record record;
      for (uint32_t id = 0; id < vcpus; ++id) {
        record.mutable_vcpu()->set_id(id);
        record.mutable_vcpu()->mutable_xsave()->resize(bytes);
        writer.write(record);
      }
    });
  };
  expect_modest(600, [&] { return with_vcpus(100'000, 0); });
  expect_modest(600, [&] { return with_vcpus(20, 5 << 20); });
}

// As many rounds as there are records, by the pages and by the timeline.
TEST(Memory, does_not_grow_with_the_number_of_rounds) {
  expect_modest(600, [] {
    return image_of(600, [](RecordWriter& writer) {
      PagesEncoder encoder(1);
      const PageRun run{pfn_t(0), 1, v1::ZERO};
      for (uint32_t round = 0; round < 100'000; ++round)
        writer.write_pages(encoder.encode(writer.next_sequence(), round, {&run, 1}, {}), {&run, 1});
      v1::Record record;
      const std::vector<uint64_t> times(200'000, uint64_t{1} << 40);
      record.mutable_timeline()->mutable_round_us()->Assign(times.begin(), times.end());
      record.mutable_timeline()->mutable_round_pages()->Assign(times.begin(), times.end());
      writer.write(record);
    });
  });
}

// An image that can be converted as a whole, whose batches are as large as they may be.
TEST(Memory, does_not_grow_with_the_size_of_what_is_converted) {
  for (const int level : {0, 1})
    expect_modest(40u << 10, [&] {
      TestGuest guest;
      guest.head.set_nr_pfns(40u << 10);
      guest.leaves.assign((40u << 10) / 512, TestGuest::kLeaf0);
      guest.leaves[1] = TestGuest::kLeaf1;
      for (uint64_t pfn = 1024; pfn < 40u << 10; ++pfn) guest.pages[pfn].words.fill(pfn);
      guest.head.set_p2m_root_pfn(TestGuest::kUserL4);
      guest.config.emplace().set_libxl_json("{}");
      guest.pages_per_record = kMaxPagesPerRecord;
      guest.level = level;
      return build(guest);
    });
}

}  // namespace
}  // namespace ferry::test
