// The memory limit of image commands: 64 MiB and 32 bytes for each pfn, on hostile images too.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>

#include "proto/record_writer.h"
#include "tests/audit/image_builder.h"
#include "tests/audit/run_program.h"

namespace ferry::test {
namespace {

// A file that a child process writes: what a process has used counts, through exec, as used by
// the programs it starts, so this one must stay small.
class FileOf {
 public:
  explicit FileOf(const std::function<Bytes()>& make)
      : path_(std::filesystem::temp_directory_path() /
              ("ferry-memory-" + std::to_string(::getpid()))) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(write(make) ? 0 : 1);
    int status = 1;
    if (::waitpid(child, &status, 0) != child || status != 0)
      throw std::runtime_error("cannot make the image");
  }
  ~FileOf() { std::filesystem::remove(path_); }
  std::string path() const { return path_; }

 private:
  bool write(const std::function<Bytes()>& make) const try {
    const Bytes bytes = make();
    std::ofstream out(path_, std::ios::binary);
    out.write(reinterpret_cast<const char*>(bytes.data()),
              static_cast<std::streamsize>(bytes.size()));
    return out.flush().good();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return false;
  }

  std::filesystem::path path_;
};

void expect_modest(uint64_t pfns, const std::function<Bytes()>& make) {
  FileOf file(make);
  const std::vector<std::vector<std::string>> commands = {
      {"audit", file.path()},
      {"inspect", file.path()},
      {"inspect", "--pages", file.path()},
      {"inspect", "--html", file.path() + ".html", file.path()},
      {"walk", file.path(), "0xffffffff81000000"},
      {"cat", "--vaddr", "0xffffffff81000000", file.path()},
      {"convert", file.path(), "/dev/null"},  // is refused only after the image was opened
      {"convert", "--to", "libxc", file.path(), file.path() + ".converted"}};
  for (std::vector<std::string> words : commands) {
    words.insert(words.begin(), FERRY_PROGRAM);
    const Outcome outcome = run_program(words);
    EXPECT_LT(outcome.exit_code, 128);
    EXPECT_GT(outcome.peak_bytes, 1u << 20);
    EXPECT_LE(outcome.peak_bytes, (64u << 20) + 32 * pfns) << words[1] << ": " << outcome.err;
    for (const char* made : {".converted", ".html"}) std::filesystem::remove(file.path() + made);
  }
}

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

// Batches like the first, until all pfns are covered; their pages are full of one byte.
void write_batches(RecordWriter& writer, int level, PageRun run, uint64_t pfns) {
  PagesEncoder encoder(level);
  const Bytes pages(has_data(run.kind) ? run.count * kPageSize : 0, std::byte{0x67});
  for (; run.first.raw() < pfns; run.first = run.first + run.count)
    writer.write_pages(encoder.encode(writer.next_sequence(), 0, {&run, 1}, pages), {&run, 1});
}

TEST(Memory, grows_by_32_bytes_a_pfn_at_most) {
  const uint64_t pfns = uint64_t{8} << 20;
  expect_modest(pfns, [&] {
    return image_of(pfns, [&](RecordWriter& writer) {
      write_batches(writer, 1, {pfn_t(0), kMaxPfnsPerRecord, v1::ZERO}, pfns);
    });
  });
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

}  // namespace
}  // namespace ferry::test
