// How fast looking into an image is, beside what it cannot do without: reading it, checking its
// digests and decompressing its pages. All on one thread, in turns; by the processor's time, which
// others on the machine do not change as much as the clock's.
//
// usage: bench_evidence IMAGE [ROUNDS]
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <vector>

#include "bench/cost.h"
#include "evidence/core.h"
#include "evidence/diff.h"
#include "evidence/find.h"
#include "pipeline/inline_executor.h"
#include "proto/record_reader.h"

namespace ferry {
namespace {

using evidence::GuestPages;

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

// Each record once, as it lies there. hash: each page too. sink: takes all of them.
uint64_t decompress_all(const ImageFile& image, bool hash, ByteSink* sink = nullptr) {
  const auto source = image.stream();
  RecordReader reader(*source);
  PagesDecoder decoder;
  uint64_t sum = 0;
  while (std::optional<RawRecord> record = reader.next()) {
    check_digest(*record);
    if (record->kind == v1::Record::kPagesFieldNumber) {
      const PagesView view = decode_pages(*record, image.head().nr_pfns());
      auto pages = decoder.decompress(*record, view);
      sum += pages.size();
      if (sink != nullptr) sink->write(pages);
      for (; hash && !pages.empty(); pages = pages.subspan(kPageSize))
        sum += XXH3_64bits(pages.data(), kPageSize);
    }
    reader.reuse(std::move(record->bytes));
  }
  return sum;
}

// What no core can do without: pages decompressed, and put into memory that is a file.
uint64_t decompress_into_file(const ImageFile& image) {
  const int fd = ::memfd_create("pages", MFD_CLOEXEC);
  FdSink sink(fd, "pages");
  const uint64_t bytes = decompress_all(image, false, &sink);
  ::close(fd);
  return bytes;
}

void write_core_somewhere(const ImageFile& image, Executor& executor) {
  const int fd = ::memfd_create("core", MFD_CLOEXEC);
  evidence::SparseFile file(fd, "core");
  evidence::write_core(image, {}, file, executor);
  ::close(fd);
}

// All pages with data, in order, as a search would come by them, and nothing done with them but to
// read each word.
uint64_t read_all(const ImageFile& image, Executor& executor) {
  class Reading final : public evidence::ChunkVisit {
   public:
    explicit Reading(uint64_t& sum) : sum_(sum) {}
    void consume(evidence::Chunk& chunk) override {
      for (auto rest = std::span<const std::byte>(chunk.data); !rest.empty();
           rest = rest.subspan(kPageSize))
        for (size_t at = 0; at < kPageSize; at += sizeof(uint64_t)) {
          uint64_t word;
          std::memcpy(&word, rest.data() + at, sizeof word);
          sum_ += word;
        }
    }

   private:
    uint64_t& sum_;
  };
  uint64_t sum = 0;
  evidence::sweep(GuestPages(image), executor, [&] { return std::make_unique<Reading>(sum); });
  return sum;
}

// A core that goes nowhere: what making it takes, without what its file does.
void make_core(const ImageFile& image, Executor& executor) {
  struct Nowhere final : ByteSink {
    void write(std::span<const std::byte>) override {}
  } nowhere;
  evidence::StreamedFile file(nowhere);
  evidence::write_core(image, {}, file, executor);
}

struct Row {
  const char* what;
  size_t beside;  // the row whose time it is compared with
  std::function<void()> work;
  std::vector<Cost> costs = {};

  double of(double Cost::*what_of_it) const {
    std::vector<double> values;
    for (const Cost& cost : costs) values.push_back(cost.*what_of_it);
    return median(values);
  }
  // How fast it is beside another, in the median of the turns.
  double speed_beside(const Row& other, double Cost::*what_of_it) const {
    std::vector<double> ratios;
    for (size_t i = 0; i < costs.size(); ++i)
      ratios.push_back(other.costs[i].*what_of_it / (costs[i].*what_of_it));
    return median(ratios);
  }
};

int run(const char* path, unsigned rounds) {
  const ImageFile image = ImageFile::open(path);
  InlineExecutor executor;
  uint64_t sum = 0;
  const auto find = [&](const evidence::Pattern& pattern) {
    evidence::find(GuestPages(image), pattern, {}, executor,
                   [&](const evidence::Hit&) { return ++sum != 0; });
  };
  const evidence::Pattern literal = evidence::Pattern::text("no such text is anywhere in there");
  const evidence::Pattern regex = evidence::Pattern::regex("no such [a-z]+ is anywhere in there");
  std::vector<Row> rows = {
      {"decompressing", 0, [&] { sum += decompress_all(image, false); }},
      {"the same, and hashing, twice", 1,
       [&] { sum += decompress_all(image, true) + decompress_all(image, true); }},
      {"the first, and into memory", 0, [&] { sum += decompress_into_file(image); }},
      {"core, into memory", 2, [&] { write_core_somewhere(image, executor); }},
      {"core, as for a pipe, into nothing", 0, [&] { make_core(image, executor); }},
      {"reading all pages in order", 5, [&] { sum += read_all(image, executor); }},
      {"find, a text", 5, [&] { find(literal); }},
      {"find, an expression", 5, [&] { find(regex); }},
      {"diff with itself", 1, [&] {
         const GuestPages a(image), b(image);
         sum += evidence::diff_pages(a, b, executor, [](const evidence::ChangedPage&) {}).pages;
       }}};
  for (unsigned i = 0; i < rounds; ++i)
    for (Row& row : rows) row.costs.push_back(cost_of(row.work));
  fmt::print("{:<36} {:>8} {:>8} {:>8} {:>8}\n", "", "ms", "speed", "CPU ms", "speed");
  for (const Row& row : rows) {
    fmt::print("{:<36}", row.what);
    for (const auto of : {&Cost::seconds, &Cost::cpu})
      fmt::print(" {:>8.1f} {:>7.0f}%", row.of(of) * 1000,
                 100 * row.speed_beside(rows[row.beside], of));
    fmt::print("\n");
  }
  return sum == 0;
}

}  // namespace
}  // namespace ferry

int main(int argc, char** argv) {
  if (argc < 2) {
    fmt::print(stderr, "usage: bench_evidence IMAGE [ROUNDS]\n");
    return 2;
  }
  return ferry::run(argv[1], argc > 2 ? static_cast<unsigned>(std::max(1, std::atoi(argv[2]))) : 7);
}
