// What the machine can do at all.
#include "bench/race/ceilings.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xxh_x86dispatch.h>
#include <zstd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "error/error.h"
#include "sim/seam/binding.h"
#include "xen/foreign_mapping.h"
#include "xen/page_types.h"

namespace ferry::bench {
namespace {

constexpr size_t kBatch = 512;  // pages
constexpr size_t kBatchBytes = kBatch * kPageSize;

std::atomic<uint64_t> kept{0};  // so that nothing is optimised away

// For memory that is used again and is there before anybody looks at the clock.
std::byte* scratch_of(unsigned thread) {
  static std::vector<std::vector<std::byte>> all(256);
  std::vector<std::byte>& mine = all.at(thread);
  if (mine.empty()) mine.resize(ZSTD_compressBound(kBatchBytes) + kBatchBytes);
  return mine.data();
}

template <typename Body>
void on_threads(unsigned threads, Body body) {
  std::vector<std::thread> running;
  for (unsigned t = 0; t < threads; ++t) running.emplace_back([=] { body(t); });
  for (std::thread& thread : running) thread.join();
}

void must(bool done) {
  if (!done) fail_errno(Errc::io, errno, "the race cannot measure this machine");
}

uint64_t sum_of(const std::byte* page) {
  using Lanes = uint64_t __attribute__((vector_size(64)));
  Lanes sum = {};
  for (size_t at = 0; at < kPageSize; at += sizeof sum) {
    Lanes lanes;
    std::memcpy(&lanes, page + at, sizeof lanes);
    sum += lanes;
  }
  return sum[0] + sum[7];
}

bool is_zero(const std::byte* page) {
  uint64_t words[8];
  for (size_t at = 0; at < kPageSize; at += sizeof words) {
    std::memcpy(words, page + at, sizeof words);
    uint64_t any = 0;
    for (const uint64_t word : words) any |= word;
    if (any != 0) return false;
  }
  return true;
}

}  // namespace

Measure::Measure(const BuiltGuest& guest, unsigned threads)
    : guest_(guest), threads_(threads), file_(memfd_create("ceiling", MFD_CLOEXEC)) {
  for (unsigned t = 0; t < threads; ++t) scratch_of(t);
  write(1);
}

Measure::~Measure() {
  close(file_);
}

template <typename Work>
Cost Measure::over(const std::vector<const std::byte*>& pages, Work work) const {
  return cost_of([&] {
    on_threads(threads_, [&](unsigned t) {
      std::byte* const scratch = scratch_of(t);
      uint64_t sum = 0;
      const size_t end = pages.size() * (t + 1) / threads_;
      for (size_t i = pages.size() * t / threads_; i < end; ++i)
        sum += work(pages[i], scratch + i % kBatch * kPageSize);
      kept += sum;
    });
  });
}

Cost Measure::map() const {
  return cost_of([&] {
    const Hypervisor xen;
    const std::span frames(guest_.frames);
    for (size_t i = 0; i < frames.size(); i += kBatch)
      ForeignMapping(xen, domid_t{guest_.guest.domid}, PROT_READ,
                     frames.subspan(i, std::min(kBatch, frames.size() - i)), "pages");
  });
}

Cost Measure::types() const {
  return cost_of([&] {
    const Hypervisor xen;
    std::vector<PageType> types;
    const std::span frames(guest_.frames);
    for (size_t i = 0; i < frames.size(); i += kBatch)
      get_page_types(xen, domid_t{guest_.guest.domid},
                     frames.subspan(i, std::min(kBatch, frames.size() - i)), types);
  });
}

Cost Measure::compress(int level) const {
  std::atomic<size_t> next{0};
  return cost_of([&] {
    on_threads(threads_, [&](unsigned t) {
      std::byte* const from = scratch_of(t);
      ZSTD_CCtx* const zstd = ZSTD_createCCtx();
      for (;;) {
        const size_t first = next.fetch_add(kBatch);
        if (first >= guest_.nonzero.size()) break;
        const size_t pages = std::min(kBatch, guest_.nonzero.size() - first);
        for (size_t i = 0; i < pages; ++i)
          std::memcpy(from + i * kPageSize, guest_.nonzero[first + i], kPageSize);
        kept += ZSTD_compressCCtx(zstd, from + kBatchBytes, ZSTD_compressBound(kBatchBytes), from,
                                  pages * kPageSize, level);
      }
      ZSTD_freeCCtx(zstd);
    });
  });
}

// As a save does it: what became no smaller is stored raw, and not decoded.
void Measure::keep_frames(int level) {
  std::vector<std::byte> from(kBatchBytes), to(ZSTD_compressBound(kBatchBytes));
  for (size_t first = 0; first < guest_.nonzero.size(); first += kBatch) {
    const size_t pages = std::min(kBatch, guest_.nonzero.size() - first);
    for (size_t i = 0; i < pages; ++i)
      std::memcpy(from.data() + i * kPageSize, guest_.nonzero[first + i], kPageSize);
    const size_t raw = pages * kPageSize;
    const size_t size = ZSTD_compress(to.data(), to.size(), from.data(), raw, level);
    must(!ZSTD_isError(size));
    if (size < raw)
      frames_.push_back({{to.begin(), to.begin() + static_cast<ptrdiff_t>(size)}, raw});
  }
}

Cost Measure::decode() const {
  std::atomic<size_t> next{0};
  return cost_of([&] {
    on_threads(threads_, [&](unsigned t) {
      ZSTD_DCtx* const zstd = ZSTD_createDCtx();
      for (size_t i = next++; i < frames_.size(); i = next++)
        must(ZSTD_decompressDCtx(zstd, scratch_of(t), kBatchBytes, frames_[i].bytes.data(),
                                 frames_[i].bytes.size()) == frames_[i].decoded);
      ZSTD_freeDCtx(zstd);
    });
  });
}

Cost Measure::read_one() const {
  const size_t batches = std::max<size_t>(1, guest_.nonzero.size() / kBatch);
  return cost_of([&] {
    for (size_t i = 0; i < batches; ++i)
      must(pread(file_, scratch_of(0), kBatchBytes, static_cast<off_t>(i * kBatchBytes)) ==
           ssize_t{kBatchBytes});
  });
}

Cost Measure::write(unsigned writers) const {
  const size_t batches = std::max<size_t>(1, guest_.nonzero.size() / kBatch);
  return cost_of([&] {
    on_threads(writers, [&](unsigned t) {
      for (size_t i = batches * t / writers; i < batches * (t + 1) / writers; ++i)
        must(pwrite(file_, scratch_of(t), kBatchBytes, static_cast<off_t>(i * kBatchBytes)) ==
             ssize_t{kBatchBytes});
    });
  });
}

Cost Measure::through_pipe() const {
  int ends[2];
  must(pipe2(ends, O_CLOEXEC) == 0);
  fcntl(ends[1], F_SETPIPE_SZ, 1 << 20);
  const size_t batches = std::max<size_t>(1, guest_.nonzero.size() / kBatch);
  const Cost cost = cost_of([&] {
    on_threads(2, [&](unsigned t) {
      size_t left = batches * kBatchBytes;
      while (left > 0) {
        const size_t most = std::min(left, kBatchBytes);
        const ssize_t n =
            t == 0 ? ::write(ends[1], scratch_of(0), most) : ::read(ends[0], scratch_of(1), most);
        must(n > 0);
        left -= static_cast<size_t>(n);
      }
    });
  });
  close(ends[0]);
  close(ends[1]);
  return cost;
}

Ceilings Measure::all(int level) {
  if (frames_.empty()) keep_frames(level);
  Ceilings c;
  c.read = over(guest_.pages, [](const std::byte* page, std::byte*) { return sum_of(page); });
  c.zero_test = over(guest_.pages, [](const std::byte* page, std::byte*) { return is_zero(page); });
  c.map = map();
  c.types = types();
  c.copy = over(guest_.nonzero, [](const std::byte* page, std::byte* to) {
    std::memcpy(to, page, kPageSize);
    return uint64_t{0};
  });
  c.hash = over(guest_.nonzero, [](const std::byte* page, std::byte*) {
    return XXH3_128bits(page, kPageSize).low64;
  });
  c.fused = over(guest_.nonzero, [](const std::byte* page, std::byte* to) {
    std::memcpy(to, page, kPageSize);
    return XXH3_128bits(to, kPageSize).low64;
  });
  c.compress = compress(level);
  c.decode = decode();
  c.write_one = write(1);
  c.write_all = write(threads_);
  c.read_one = read_one();
  c.pipe = through_pipe();
  return c;
}

Cost direct_write(const std::string& folder, uint64_t bytes) {
  const int fd = open(folder.c_str(), O_TMPFILE | O_WRONLY | O_DIRECT | O_CLOEXEC, 0600);
  if (fd < 0) return {};
  void* const from = aligned_alloc(kPageSize, kBatchBytes);
  std::memset(from, 1, kBatchBytes);
  const Cost cost = cost_of([&] {
    for (uint64_t at = 0; at < bytes; at += kBatchBytes)
      must(pwrite(fd, from, kBatchBytes, static_cast<off_t>(at)) == ssize_t{kBatchBytes});
    must(fdatasync(fd) == 0);
  });
  free(from);
  close(fd);
  return cost;
}

}  // namespace ferry::bench
