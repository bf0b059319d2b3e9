// How much of what zstd, XXH3 and memcpy can do is left once pages become records, and back.
//
// The pages are the first 64 MiB of the programs in /usr/bin: no guest, but as compressible as one.
// Every benchmark goes through all of them in batches of 1 MiB, so nothing stays in a cache.
#include <benchmark/benchmark.h>
#include <xxh_x86dispatch.h>
#include <zstd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include "proto/pages.h"
#include "proto/record_reader.h"
#include "proto/record_writer.h"

namespace ferry {
namespace {

constexpr size_t kCorpus = 64 << 20;
constexpr size_t kBatch = 1 << 20;
constexpr uint64_t kPfns = kCorpus / kPageSize;

const Bytes& corpus() {
  static const Bytes bytes = [] {
    std::set<std::filesystem::path> paths;
    for (const auto& entry : std::filesystem::directory_iterator("/usr/bin"))
      if (entry.is_regular_file() && !entry.is_symlink()) paths.insert(entry.path());
    Bytes all;
    for (const auto& path : paths) {
      if (all.size() >= kCorpus) break;
      const auto size = std::filesystem::file_size(path) / kPageSize * kPageSize;
      const size_t at = all.size();
      all.resize(at + size);
      std::ifstream(path, std::ios::binary)
          .read(reinterpret_cast<char*>(all.data() + at), static_cast<std::streamsize>(size));
    }
    all.resize(kCorpus);
    return all;
  }();
  return bytes;
}

std::span<const std::byte> batch(size_t i) {
  return std::span(corpus()).subspan(i * kBatch, kBatch);
}

std::vector<PageRun> runs_of(size_t i) {
  return {{pfn_t(i * kBatch / kPageSize), kBatch / kPageSize, v1::DATA}};
}

// Runs work(i) for every batch of the corpus, again and again.
template <typename Work>
void over_corpus(benchmark::State& state, Work work) {
  corpus();
  for (auto _ : state)
    for (size_t i = 0; i < kCorpus / kBatch; ++i) work(i);
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * kCorpus));
}

void memcpy_alone(benchmark::State& state) {
  Bytes to(kBatch);
  over_corpus(state, [&](size_t i) {
    std::memcpy(to.data(), batch(i).data(), kBatch);
    benchmark::DoNotOptimize(to.data());
    benchmark::ClobberMemory();
  });
}

void xxh3_alone(benchmark::State& state) {
  over_corpus(state,
              [&](size_t i) { benchmark::DoNotOptimize(XXH3_128bits(batch(i).data(), kBatch)); });
}

void memcpy_and_xxh3(benchmark::State& state) {
  Bytes to(kBatch);
  over_corpus(state, [&](size_t i) {
    std::memcpy(to.data(), batch(i).data(), kBatch);
    benchmark::DoNotOptimize(XXH3_128bits(to.data(), kBatch));
  });
}

void zstd_encode_alone(benchmark::State& state) {
  ZSTD_CCtx* zstd = ZSTD_createCCtx();
  Bytes to(ZSTD_compressBound(kBatch));
  size_t stored = 0;
  over_corpus(state, [&](size_t i) {
    stored += ZSTD_compressCCtx(zstd, to.data(), to.size(), batch(i).data(), kBatch,
                                static_cast<int>(state.range(0)));
  });
  state.counters["ratio"] =
      static_cast<double>(state.iterations() * kCorpus) / static_cast<double>(stored);
  ZSTD_freeCCtx(zstd);
}

void encode_records(benchmark::State& state) {
  PagesEncoder encoder(static_cast<int>(state.range(0)));
  size_t stored = 0;
  over_corpus(state,
              [&](size_t i) { stored += encoder.encode(i, 0, runs_of(i), batch(i)).size(); });
  state.counters["ratio"] =
      static_cast<double>(state.iterations() * kCorpus) / static_cast<double>(stored);
}

void zstd_decode_alone(benchmark::State& state) {
  std::vector<Bytes> frames;
  for (size_t i = 0; i < kCorpus / kBatch; ++i) {
    Bytes frame(ZSTD_compressBound(kBatch));
    frame.resize(ZSTD_compress(frame.data(), frame.size(), batch(i).data(), kBatch,
                               static_cast<int>(state.range(0))));
    frames.push_back(std::move(frame));
  }
  ZSTD_DCtx* zstd = ZSTD_createDCtx();
  Bytes to(kBatch);
  over_corpus(state, [&](size_t i) {
    ZSTD_decompressDCtx(zstd, to.data(), to.size(), frames[i].data(), frames[i].size());
    benchmark::ClobberMemory();
  });
  ZSTD_freeDCtx(zstd);
}

Bytes whole_image(int level) {
  MemorySink sink;
  RecordWriter writer(sink, kPfns);
  v1::Record record;
  record.mutable_head()->set_nr_pfns(kPfns);
  writer.write(record);
  PagesEncoder encoder(level);
  for (size_t i = 0; i < kCorpus / kBatch; ++i)
    writer.write_pages(encoder.encode(writer.next_sequence(), 0, runs_of(i), batch(i)), runs_of(i));
  writer.finish();
  return sink.bytes();
}

// All of it: read from memory, frame, digest, decode, decompress.
void read_image(benchmark::State& state) {
  const Bytes image = whole_image(static_cast<int>(state.range(0)));
  PagesDecoder decoder;
  for (auto _ : state) {
    MemorySource source(image);
    RecordReader reader(source);
    while (const auto record = reader.next()) {
      check_digest(*record);
      if (record->kind != v1::Record::kPages) continue;
      benchmark::DoNotOptimize(decoder.decompress(*record, decode_pages(*record, kPfns)).data());
    }
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * kCorpus));
}

// Remembers the best of each benchmark's repetitions and sets them against each other.
class Ratios final : public benchmark::ConsoleReporter {
 public:
  void ReportRuns(const std::vector<Run>& runs) override {
    ConsoleReporter::ReportRuns(runs);
    for (const Run& run : runs) {
      if (run.run_type != Run::RT_Iteration) continue;
      double& best = best_[run.run_name.function_name + "/" + run.run_name.args];
      best = std::max(best, run.counters.at("bytes_per_second").value);
    }
  }

  void print() const {
    std::printf("\n%-44s %9s %9s %7s\n", "best of all repetitions, GB/s", "ours", "ceiling",
                "ratio");
    compare("raw records written, memcpy and XXH3", "encode_records/0", "memcpy_and_xxh3/");
    compare("raw records read, memcpy and XXH3", "read_image/0", "memcpy_and_xxh3/");
    for (const char* level : {"1", "3"}) {
      const std::string l(level);
      compare("zstd -" + l + " records written, bare zstd", "encode_records/" + l,
              "zstd_encode_alone/" + l);
      compare("zstd -" + l + " records read, bare zstd", "read_image/" + l,
              "zstd_decode_alone/" + l);
    }
  }

 private:
  void compare(const std::string& what, const std::string& ours, const std::string& ceiling) const {
    const auto a = best_.find(ours), b = best_.find(ceiling);
    if (a == best_.end() || b == best_.end()) return;  // left out by --benchmark_filter
    std::printf("%-44s %9.3f %9.3f %7.2f\n", what.c_str(), a->second * 1e-9, b->second * 1e-9,
                a->second / b->second);
  }

  std::map<std::string, double> best_;
};

BENCHMARK(memcpy_alone);
BENCHMARK(xxh3_alone);
BENCHMARK(memcpy_and_xxh3);
BENCHMARK(encode_records)->Arg(0)->Arg(1)->Arg(3);
BENCHMARK(zstd_encode_alone)->Arg(1)->Arg(3);
BENCHMARK(read_image)->Arg(0)->Arg(1)->Arg(3);
BENCHMARK(zstd_decode_alone)->Arg(1)->Arg(3);

}  // namespace
}  // namespace ferry

int main(int argc, char** argv) {
  // Interleaved, so that a busy moment does not hit one of them alone.
  std::vector<char*> arguments(argv, argv + argc);
  std::string repetitions = "--benchmark_repetitions=5";
  std::string interleaving = "--benchmark_enable_random_interleaving=true";
  std::string time = "--benchmark_min_time=0.1";
  arguments.insert(arguments.begin() + 1, {repetitions.data(), interleaving.data(), time.data()});
  int count = static_cast<int>(arguments.size());
  benchmark::Initialize(&count, arguments.data());
  ferry::Ratios reporter;
  benchmark::RunSpecifiedBenchmarks(&reporter);
  reporter.print();
  return 0;
}
