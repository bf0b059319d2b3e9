// How fast looking into an image is, beside what it cannot do without: reading it, checking its
// digests and decompressing its pages. All on one thread, in turns.
//
// usage: bench_evidence IMAGE [ROUNDS]
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <vector>

#include "evidence/core.h"
#include "evidence/diff.h"
#include "evidence/find.h"
#include "pipeline/inline_executor.h"
#include "proto/record_reader.h"

namespace ferry {
namespace {

using evidence::GuestPages;

double seconds_of(const std::function<void()>& work) {
  const auto begun = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
}

// Each record once, as it lies there. hash: each page too.
uint64_t decompress_all(const ImageFile& image, bool hash) {
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
      for (; hash && !pages.empty(); pages = pages.subspan(kPageSize))
        sum += XXH3_64bits(pages.data(), kPageSize);
    }
    reader.reuse(std::move(record->bytes));
  }
  return sum;
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
  std::vector<double> seconds = {};

  double median() {
    std::ranges::sort(seconds);
    return seconds[seconds.size() / 2];
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
      {"core, into memory", 0, [&] { write_core_somewhere(image, executor); }},
      {"core, as for a pipe, into nothing", 0, [&] { make_core(image, executor); }},
      {"reading all pages in order", 4, [&] { sum += read_all(image, executor); }},
      {"find, a text", 4, [&] { find(literal); }},
      {"find, an expression", 0, [&] { find(regex); }},
      {"diff with itself", 1, [&] {
         const GuestPages a(image), b(image);
         sum += evidence::diff_pages(a, b, executor, [](const evidence::ChangedPage&) {}).pages;
       }}};
  for (unsigned i = 0; i < rounds; ++i)
    for (Row& row : rows) row.seconds.push_back(seconds_of(row.work));
  fmt::print("{:<32} {:>10} {:>10}\n", "", "ms", "speed");
  for (Row& row : rows)
    fmt::print("{:<32} {:>10.1f} {:>9.0f}%\n", row.what, row.median() * 1000,
               100 * rows[row.beside].median() / row.median());
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
