// What it costs that the image of a restore is read by a process without rights: the same image,
// read in this process and in such a one, in pairs that take turns in who goes first. Who takes the
// records copies pages to where the guest's memory would be, as the engine does; Xen's part is left
// out, so of a whole restore the cost is less.
//
//   bench_reader [MIB [THREADS [PAIRS]]]      size of the guest (512), threads (half of all),
//                                             pairs (15)
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "bench/cost.h"
#include "image_reader/image_records.h"
#include "image_reader/reader_process.h"
#include "io/descriptor.h"
#include "proto/pages.h"
#include "proto/record_writer.h"

namespace ferry {
namespace {

constexpr uint64_t kPagesInRecord = 256;

// Half of a page is noise, the other half repeats.
void fill(std::byte* page, std::mt19937_64& random) {
  for (size_t at = 0; at < kPageSize; at += sizeof(uint64_t)) {
    const uint64_t word = at < kPageSize / 2 ? random() : 0x0101010101010101 * (at % 512 / 64);
    std::memcpy(page + at, &word, sizeof word);
  }
}

Descriptor make_image(uint64_t pages) {
  Descriptor file(memfd_create("image", MFD_CLOEXEC));
  FdSink sink(file.get(), "the image");
  RecordWriter writer(sink, pages);
  v1::Record record;
  v1::Head& head = *record.mutable_head();
  head.set_guest_width(8);
  head.set_pt_levels(4);
  head.set_nr_pfns(pages);
  head.set_populated_pages(pages);
  writer.write(record);
  PagesEncoder encoder(2);
  std::mt19937_64 random(1);
  std::vector<std::byte> bytes(kPagesInRecord * kPageSize);
  for (uint64_t pfn = 0; pfn < pages; pfn += kPagesInRecord) {
    for (uint64_t i = 0; i < kPagesInRecord; ++i) fill(bytes.data() + i * kPageSize, random);
    const PageRun run[] = {{pfn_t(pfn), kPagesInRecord, v1::DATA}};
    writer.write_pages(encoder.encode(writer.next_sequence(), 0, run, bytes), run);
  }
  writer.finish();
  return file;
}

// The guest's memory, and nothing else of it.
class Memory final : public GuestRecords {
 public:
  // Of a guest: no process that is made meanwhile has it too, or would have to be given copies.
  explicit Memory(uint64_t pages) : size_(pages * kPageSize) {
    void* const memory = mmap(nullptr, size_, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (memory == MAP_FAILED || madvise(memory, size_, MADV_DONTFORK) != 0) std::abort();
    bytes_ = static_cast<std::byte*>(memory);
  }
  ~Memory() override { munmap(bytes_, size_); }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  void head(const GuestHead&) override {}
  void cpu_policy(std::span<const std::byte>, std::span<const std::byte>) override {}
  void populated(std::span<const PfnRun>) override {}
  void pages(std::span<const KindRun> runs, std::span<const std::byte> pages) override {
    for (const KindRun& run : runs) {
      const size_t size = run.count * kPageSize;
      std::memcpy(bytes_ + run.first.raw() * kPageSize, pages.data(), size);
      pages = pages.subspan(size);
    }
  }
  void tsc(uint64_t, const GuestTsc&) override {}
  void shared_info(uint64_t, std::span<const std::byte>) override {}
  void vcpu(uint64_t, GuestVcpu) override {}

 private:
  size_t size_;
  std::byte* bytes_ = nullptr;
};

void read_here(int image, unsigned threads, GuestRecords& into) {
  lseek(image, 0, SEEK_SET);
  FdSource source(image, "the image");
  const auto executor = make_thread_executor(threads);
  ImageRecords(source, *executor).read(into);
}

void read_confined(int image, unsigned threads, GuestRecords& into) {
  lseek(image, 0, SEEK_SET);
  ReaderProcess reader({.program = "bench", .what = "the image", .limits = sandbox::limits_for(0)},
                       image, threads);
  FdSource messages(reader.messages_fd(), "the reader");
  ConfinedRecords(reader, messages, [](int) {}).read(into);
}

double median(std::vector<double> all) {
  std::sort(all.begin(), all.end());
  return all[all.size() / 2];
}

int run(uint64_t mib, unsigned threads, unsigned pairs) {
  const uint64_t pages = mib << 20 >> kPageShift;
  const Descriptor image = make_image(pages);
  Memory memory(pages);
  std::vector<double> seconds, cpu, here_seconds;
  for (unsigned pair = 0; pair < pairs; ++pair) {
    Cost here, confined;
    const auto one = [&] { here = cost_of([&] { read_here(image.get(), threads, memory); }); };
    const auto other = [&] {
      confined = cost_of([&] { read_confined(image.get(), threads, memory); });
    };
    if (pair % 2 == 0) one();
    other();
    if (pair % 2 != 0) one();
    here_seconds.push_back(here.seconds);
    seconds.push_back(confined.seconds / here.seconds);
    cpu.push_back(confined.cpu / here.cpu);
  }
  fmt::print("{} MiB, {} threads, {} pairs; here {:.0f} MiB/s\n", mib, threads, pairs,
             static_cast<double>(mib) / median(here_seconds));
  fmt::print("confined / here, medians of pairs: time {:.3f}, processor time {:.3f}\n",
             median(seconds), median(cpu));
  return EXIT_SUCCESS;
}

}  // namespace
}  // namespace ferry

int main(int argc, char** argv) {
  const auto number = [&](int which, uint64_t otherwise) {
    return argc > which ? std::strtoull(argv[which], nullptr, 10) : otherwise;
  };
  const unsigned half = std::max(1u, std::thread::hardware_concurrency() / 2);
  return ferry::run(number(1, 512), static_cast<unsigned>(number(2, half)),
                    static_cast<unsigned>(number(3, 15)));
}
