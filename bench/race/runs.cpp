// One save or restore of a guest, by either engine.
#include "bench/race/runs.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <optional>

#include "image_reader/image_records.h"
#include "io/uncached_sink.h"
#include "restore/restore.h"
#include "save/save.h"
#include "tests/engine/sim_engine.h"
#include "tests/sim/stock_engine.h"

namespace ferry::bench {
namespace {

void must(bool done, const char* what) {
  if (!done) fail_errno(Errc::internal, errno, what);
}

}  // namespace

const char* name_of(Sink sink) {
  switch (sink) {
    case Sink::nothing:
      return "nothing";
    case Sink::memory:
      return "memory file";
    case Sink::disk:
      return "file, synced";
  }
  return "";
}

Race::Race(const BuiltGuest& guest, unsigned threads, std::string folder)
    : guest_(guest), threads_(threads), folder_(std::move(folder)) {
}

int Race::memory_of(int level) {
  Descriptor& image = images_[level];
  if (!image) image.reset(memfd_create("image", MFD_CLOEXEC));
  lseek(image.get(), 0, SEEK_SET);
  return image.get();
}

Descriptor Race::open_sink(int level, Sink sink) {
  switch (sink) {
    case Sink::nothing:
      return Descriptor(open("/dev/null", O_WRONLY | O_CLOEXEC));
    case Sink::memory:
      return Descriptor(dup(memory_of(level)));
    case Sink::disk:
      return Descriptor(open(folder_.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  }
  return Descriptor();
}

Cost Race::save(int level, Sink sink) {
  const Descriptor to = open_sink(level, sink);
  must(static_cast<bool>(to), "the race has nowhere to save to");
  const Cost cost = cost_of([&] {
    save_to(level, to.get(), sink);
    if (sink == Sink::disk) must(fsync(to.get()) == 0, "fsync");
  });
  if (sink == Sink::memory) must(ftruncate(to.get(), lseek(to.get(), 0, SEEK_CUR)) == 0, "cut");
  return cost;
}

void Race::save_to(int level, int fd, Sink to) {
  if (level == kStockAndZstd) return save_through_zstd(fd);
  const auto domid = guest_.guest.domid;
  if (level == kStock) {
    errno = sim::stock_save(*guest_.host, domid, fd);
    return must(errno == 0, "the stock engine cannot save the guest");
  }
  const Hypervisor xen;
  FdSink plain(fd, "the image");
  std::optional<UncachedSink> uncached;  // as the save helper writes files
  if (to == Sink::disk) uncached.emplace(plain, fd);
  ByteSink& sink = uncached ? static_cast<ByteSink&>(*uncached) : plain;
  const auto executor = make_thread_executor(threads_);
  SaveOptions options;
  options.level = level;
  options.timeline = false;
  save_domain(xen, domid_t{domid}, sink, *executor, options, {});
  if (uncached) uncached->finish();
}

void Race::save_through_zstd(int fd) {
  int ends[2];
  must(pipe2(ends, O_CLOEXEC) == 0, "pipe");
  const pid_t child = vfork();
  if (child == 0) {
    dup2(ends[0], STDIN_FILENO);
    dup2(fd, STDOUT_FILENO);
    execlp("zstd", "zstd", "-1", "-T0", "-q", "-c", nullptr);
    _exit(127);
  }
  must(child > 0, "fork");
  close(ends[0]);
  fcntl(ends[1], F_SETPIPE_SZ, 1 << 20);
  const int failed = sim::stock_save(*guest_.host, guest_.guest.domid, ends[1]);
  close(ends[1]);
  int status = 0;
  must(waitpid(child, &status, 0) == child && status == 0 && failed == 0, "stock | zstd failed");
}

uint64_t Race::image_bytes(int level) const {
  return static_cast<uint64_t>(lseek(images_.at(level).get(), 0, SEEK_END));
}

Cost Race::restore(int level) {
  const int image = memory_of(level);
  const uint64_t pages = guest_.guest.p2m_entries;
  uint32_t domid = 0;
  Cost cost;
  if (level == kStock) {
    cost = cost_of([&] {
      const auto restored = sim::stock_restore(*guest_.host, image, pages, guest_.guest.spec.vcpus);
      errno = restored.os_errno;
      must(errno == 0, "the stock engine cannot restore the guest");
      domid = restored.domid;
    });
  } else {
    cost = cost_of([&] {
      const Hypervisor xen;
      const RestoreTarget target = sim::create_target(*guest_.host, pages, guest_.guest.spec.vcpus);
      domid = raw(target.domid);
      FdSource source(image, "the image");
      const auto executor = make_thread_executor(threads_);
      ImageRecords records(source, *executor);
      restore_domain(xen, target, records, {}, threads_);
    });
  }
  sim::destroy_domain(*guest_.host, domid);
  return cost;
}

}  // namespace ferry::bench
