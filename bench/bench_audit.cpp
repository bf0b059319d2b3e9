// How much of what XXH3 and zstd can do is left in an audit, and what it costs in all.
//
// The guest is made here: 1 GiB with page tables that map all of it, two thirds zeros as in a real
// one, and the first programs of /usr/bin as data. Everything runs on one thread but the whole
// audit, which gets two. Files are in the page cache: the disk is not what is measured.
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <unistd.h>
#include <xxh_x86dispatch.h>
#include <zstd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include "audit/audit.h"
#include "audit/summary.h"
#include "pipeline/inline_executor.h"
#include "proto/pages.h"
#include "proto/record_reader.h"
#include "proto/record_writer.h"

namespace ferry {
namespace {

constexpr uint64_t kGuest = 262144;  // pfns: 1 GiB
constexpr size_t kBatch = 256;       // pages
constexpr size_t kCorpusPages = 8192;

const Bytes& corpus() {
  static const Bytes bytes = [] {
    std::set<std::filesystem::path> paths;
    for (const auto& entry : std::filesystem::directory_iterator("/usr/bin"))
      if (entry.is_regular_file() && !entry.is_symlink()) paths.insert(entry.path());
    Bytes all;
    for (const auto& path : paths) {
      if (all.size() >= kCorpusPages * kPageSize) break;
      const size_t at = all.size();
      all.resize(at + std::filesystem::file_size(path) / kPageSize * kPageSize);
      std::ifstream(path, std::ios::binary)
          .read(reinterpret_cast<char*>(all.data() + at),
                static_cast<std::streamsize>(all.size() - at));
    }
    all.resize(kCorpusPages * kPageSize);
    return all;
  }();
  return bytes;
}

// Where the guest keeps its tables: L4 0, L3 1, L2 2, then an L1 for each 512 pfns, then the
// leaves.
constexpr uint64_t kL3 = 1, kL2 = 2, kFirstL1 = 3;

struct Layout {
  // hollow: holes instead of data, so that the index is as large as ever and the file is not.
  explicit Layout(uint64_t of, bool hollow = false)
      : pfns(of),
        l1s(of / 512),
        first_leaf(kFirstL1 + l1s),
        third(hollow ? v1::ABSENT : v1::DATA) {}
  v1::PageKind kind(uint64_t pfn) const {
    if (pfn == 0) return v1::L4_PINNED;
    if (pfn == kL3) return v1::L3;
    if (pfn == kL2) return v1::L2;
    if (pfn < first_leaf) return v1::L1;
    if (pfn < first_leaf + l1s) return v1::P2M_LEAF;
    return pfn % 3 == 0 ? third : v1::ZERO;
  }
  void fill(uint64_t pfn, std::span<std::byte> page) const {
    uint64_t words[512] = {};
    if (pfn == 0) words[272] = entry(kL3, 2);
    if (pfn == kL3) words[0] = entry(kL2, 2);
    for (uint64_t i = 0; i < 512; ++i) {
      if (pfn == kL2 && i < l1s) words[i] = entry(kFirstL1 + i, 2);
      const uint64_t target = (pfn - kFirstL1) * 512 + i;
      if (kind(pfn) == v1::L1) words[i] = entry(target, is_page_table(kind(target)) ? 0 : 2);
      if (kind(pfn) == v1::P2M_LEAF) words[i] = (pfn - first_leaf) * 512 + i;
    }
    if (kind(pfn) == v1::DATA)
      std::memcpy(page.data(), corpus().data() + pfn / 3 % kCorpusPages * kPageSize, kPageSize);
    else
      std::memcpy(page.data(), words, kPageSize);
  }
  static uint64_t entry(uint64_t pfn, uint64_t flags) { return pfn << 12 | 0x65 | flags; }

  uint64_t pfns, l1s, first_leaf;
  v1::PageKind third;  // what every third page is
};

// What else there is in an image of a guest with two vCPUs.
void write_small_records(RecordWriter& writer, const Layout& layout) {
  v1::Record record;
  record.mutable_config()->set_libxl_json(std::string(1000, ' '));
  writer.write(record);
  record.mutable_populated()->add_runs(0);
  record.mutable_populated()->add_runs(layout.pfns);
  writer.write(record);
  for (uint64_t i = 0; i < layout.l1s; ++i)
    record.mutable_p2m_frames()->add_leaf_pfns(layout.first_leaf + i);
  writer.write(record);
  for (unsigned id = 0; id < 2; ++id) {
    record.mutable_vcpu()->set_id(id);
    record.mutable_vcpu()->set_basic(std::string(5168, '\0'));
    writer.write(record);
  }
  record.mutable_shared_info()->set_page(std::string(kPageSize, '\0'));
  writer.write(record);
}

// A tree p2m, whose root is a page of data, and vCPUs without registers: that is a finding or two,
// and no work.
std::string image_file(int level, uint64_t pfns, bool hollow = false) {
  const std::string path = std::filesystem::temp_directory_path() /
                           fmt::format("ferry-bench-{}-{}-{}", ::getpid(), level, pfns);
  const int fd = ::open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0600);
  FdSink sink(fd, path);
  RecordWriter writer(sink, pfns);
  v1::Record record;
  record.mutable_head()->set_guest_width(8);
  record.mutable_head()->set_pt_levels(4);
  record.mutable_head()->set_nr_pfns(pfns);
  record.mutable_head()->set_populated_pages(pfns);
  writer.write(record);
  const Layout layout(pfns, hollow);
  write_small_records(writer, layout);
  PagesEncoder encoder(level);
  for (uint64_t first = 0; first < pfns;) {
    std::vector<PageRun> runs;
    Bytes pages;
    uint64_t pfn = first;
    const uint64_t end = std::min(pfns, first + (hollow ? kMaxPfnsPerRecord : 4 * kBatch));
    for (; pfn < end && pages.size() < kBatch * kPageSize; ++pfn) {
      const v1::PageKind kind = layout.kind(pfn);
      append_page(runs, pfn_t(pfn), kind);
      if (!has_data(kind)) continue;
      pages.resize(pages.size() + kPageSize);
      layout.fill(pfn, std::span(pages).last(kPageSize));
    }
    const uint64_t sequence = writer.next_sequence();
    writer.write_pages(encoder.encode(sequence, 0, runs, pages), runs);
    first = pfn;
  }
  writer.finish();
  ::close(fd);
  return path;
}

class File {
 public:
  explicit File(std::string path) : path_(std::move(path)) {}
  ~File() { std::filesystem::remove(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};
const File& compressed() {
  static const File file(image_file(1, kGuest));
  return file;
}
const File& raw() {
  static const File file(image_file(0, kGuest));
  return file;
}
const File& large() {
  static const File file(image_file(1, 16 * kGuest, true));
  return file;
}

void count(benchmark::State& state, const std::string& path) {
  state.SetBytesProcessed(
      static_cast<int64_t>(state.iterations() * std::filesystem::file_size(path)));
}

// Reads the file in pieces of a record's size and hashes them: nobody can check digests faster.
void xxh3_of_raw(benchmark::State& state) {
  const std::string& path = raw().path();
  Bytes buffer(kBatch * kPageSize);
  for (auto _ : state) {
    const int fd = ::open(path.c_str(), O_RDONLY);
    for (ssize_t n; (n = ::read(fd, buffer.data(), buffer.size())) > 0;)
      benchmark::DoNotOptimize(XXH3_128bits(buffer.data(), static_cast<size_t>(n)));
    ::close(fd);
  }
  count(state, path);
}

// Reads the records and decompresses their batches, and does nothing else.
void zstd_of_compressed(benchmark::State& state) {
  const ImageFile image = ImageFile::open(compressed().path());
  Bytes out(kMaxPagesPerRecord * kPageSize);
  ZSTD_DCtx* context = ZSTD_createDCtx();
  for (auto _ : state) {
    const auto source = image.stream();
    RecordReader reader(*source);
    while (const auto record = reader.next()) {
      if (record->kind != v1::Record::kPagesFieldNumber) continue;
      const PagesView view = decode_pages(*record, kGuest);
      if (view.codec == v1::ZSTD)
        benchmark::DoNotOptimize(ZSTD_decompressDCtx(context, out.data(), out.size(),
                                                     view.data.data(), view.data.size()));
    }
  }
  ZSTD_freeDCtx(context);
  count(state, compressed().path());
}

void audit_of(benchmark::State& state, const std::string& path, audit::Level level,
              unsigned threads) {
  const std::unique_ptr<Executor> executor =
      threads == 1 ? std::make_unique<InlineExecutor>() : make_thread_executor(threads);
  for (auto _ : state)
    benchmark::DoNotOptimize(
        audit::run(ImageFile::open(path), {.level = level, .keep = 1}, *executor).bytes);
  count(state, path);
}

void digests_of_raw(benchmark::State& state) {
  audit_of(state, raw().path(), audit::Level::digests, 1);
}
void digests_of_compressed(benchmark::State& state) {
  audit_of(state, compressed().path(), audit::Level::digests, 1);
}
void whole_audit_of_1_gib(benchmark::State& state) {
  audit_of(state, compressed().path(), audit::Level::full, 2);
}

void digests_of_raw_on_two(benchmark::State& state) {
  audit_of(state, raw().path(), audit::Level::digests, 2);
}

void inspect_of_16_gib(benchmark::State& state) {
  const std::string& path = large().path();  // made before the clock runs
  for (auto _ : state) benchmark::DoNotOptimize(audit::summarise(ImageFile::open(path)).records);
}

BENCHMARK(xxh3_of_raw)->MeasureProcessCPUTime()->UseRealTime();
BENCHMARK(digests_of_raw)->MeasureProcessCPUTime()->UseRealTime();
BENCHMARK(zstd_of_compressed)->MeasureProcessCPUTime()->UseRealTime();
BENCHMARK(digests_of_compressed)->MeasureProcessCPUTime()->UseRealTime();
BENCHMARK(digests_of_raw_on_two)->MeasureProcessCPUTime()->UseRealTime();
BENCHMARK(whole_audit_of_1_gib)
    ->MeasureProcessCPUTime()
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK(inspect_of_16_gib)->MeasureProcessCPUTime()->UseRealTime()->Unit(benchmark::kMillisecond);

// Keeps the best time of each, for the ratios at the end.
class Best final : public benchmark::ConsoleReporter {
 public:
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      if (run.run_type != Run::RT_Iteration) continue;  // a mean of repetitions, say
      const auto keep = [&](double& best, double took) {
        took /= static_cast<double>(run.iterations);
        best = best == 0 ? took : std::min(best, took);
      };
      keep(real[run.run_name.function_name], run.real_accumulated_time);
      keep(processor[run.run_name.function_name], run.cpu_accumulated_time);
    }
    ConsoleReporter::ReportRuns(runs);
  }
  std::map<std::string, double> real, processor;  // seconds
};

// Nothing of what a filter left out.
void print_ratio(Best& best, const char* what, const char* ceiling, const char* goal) {
  if (best.processor[what] == 0 || best.processor[ceiling] == 0) return;
  std::printf("%-24s %5.1f %% of %s (goal: %s)\n", what,
              100 * best.processor[ceiling] / best.processor[what], ceiling, goal);
}
void print_time(Best& best, const char* what, const char* goal) {
  if (best.real[what] != 0)
    std::printf("%-24s %8.3f ms (goal: %s)\n", what, 1e3 * best.real[what], goal);
}

}  // namespace
}  // namespace ferry

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  ferry::Best best;
  benchmark::RunSpecifiedBenchmarks(&best);
  std::printf("\n");
  ferry::print_ratio(best, "digests_of_raw", "xxh3_of_raw", "80 %");
  ferry::print_ratio(best, "digests_of_compressed", "zstd_of_compressed", "90 %");
  ferry::print_time(best, "whole_audit_of_1_gib", "1000 ms on two threads");
  ferry::print_time(best, "inspect_of_16_gib", "50 ms");
}
