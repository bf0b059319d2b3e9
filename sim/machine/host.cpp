// Making, opening and locking a simulated host.
#include "sim/machine/host.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "error/error.h"
#include "sim/machine/domains.h"
#include "sim/machine/frame_pool.h"
#include "sim/machine/random.h"

namespace ferry::sim {

namespace {

constexpr uint64_t kChunk = 512;  // frames of a 2 MiB chunk
constexpr uint64_t kBitmapBytes = kMaxTrackedPfn / 8;

constexpr uint64_t round_up(uint64_t n, uint64_t to) {
  return (n + to - 1) / to * to;
}

struct Offsets {
  uint64_t frames, free, dirty, memory, end;
};

Offsets offsets_for(uint64_t frames) {
  Offsets o{};
  o.frames = round_up(sizeof(HostState), 4096);
  o.free = round_up(o.frames + frames * sizeof(Frame), 4096);
  o.dirty = round_up(o.free + frames / 8 + 8, 4096);
  o.memory = round_up(o.dirty + kMaxDomains * kBitmapBytes, kChunk * kPageSize);
  o.end = o.memory + (frames << kPageShift);
  return o;
}

void make_lock(pthread_mutex_t* lock) {
  pthread_mutexattr_t attr;
  pthread_mutexattr_init(&attr);
  pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
  pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_init(lock, &attr);
  pthread_mutexattr_destroy(&attr);
}

}  // namespace

void Host::attach(int fd, uint64_t bytes) {
  fd_ = fd;
  void* at = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
  if (at == MAP_FAILED) fail_errno(Errc::no_memory, errno, "cannot map a simulated host");
  state_ = static_cast<HostState*>(at);
}

void Host::lay_out(const HostConfig& config) {
  const Offsets o = offsets_for(config.frames);
  HostState& s = *state_;
  s.bytes = o.end;
  s.frames_offset = o.frames;
  s.free_offset = o.free;
  s.dirty_offset = o.dirty;
  s.memory_offset = o.memory;
  s.seed = config.seed;
  s.random = config.seed * 2 + 1;
  s.max_page = config.frames;
  s.shadow_paging = config.shadow_paging;
  s.linear_page_tables = config.linear_page_tables;
  s.fresh_pages = config.fresh_pages;
  s.frame_order = config.frame_order;
  s.cpu_khz = 2'400'000;
  s.nanoseconds = 1'000'000'000;
  for (DomainNumber& domid : s.domids) domid = kNoDomain;
  make_lock(&s.lock);
}

std::unique_ptr<Host> Host::create(const HostConfig& config) {
  if (config.frames < 2048) fail(Errc::usage, "a simulated host needs at least 2048 frames");
  auto host = std::unique_ptr<Host>(new Host);
  const uint64_t bytes = offsets_for(config.frames).end;
  const int fd = memfd_create("ferry-sim-host", MFD_CLOEXEC);
  if (fd < 0) fail_errno(Errc::no_memory, errno, "cannot create a simulated host");
  host->fd_ = fd;
  if (ftruncate(fd, static_cast<off_t>(bytes)) != 0)
    fail_errno(Errc::no_memory, errno, "cannot size a simulated host");
  host->attach(fd, bytes);
  host->lay_out(config);
  uint8_t* base = reinterpret_cast<uint8_t*>(host->state_);
  host->frames_ = reinterpret_cast<Frame*>(base + host->state_->frames_offset);
  host->free_ = reinterpret_cast<uint64_t*>(base + host->state_->free_offset);
  host->memory_ = base + host->state_->memory_offset;
  set_up_frames(*host);
  host->m2p_ = host->entries(mfn_t(host->state_->m2p_mfn));
  set_up_m2p(*host);
  set_up_domain0(*host);
  host->state_->magic = kHostMagic;
  return host;
}

std::unique_ptr<Host> Host::create_file(const std::string& path, const HostConfig& config) {
  auto memory = create(config);
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) fail_errno(Errc::io, errno, fmt::format("cannot create the simulated host {}", path));
  const HostState& s = memory->state();
  bool good = ftruncate(fd, static_cast<off_t>(s.bytes)) == 0;
  // Copies only what a new host has touched: the holes of the memory file stay holes.
  for (off_t at = 0; good;) {
    const off_t data = lseek(memory->fd_, at, SEEK_DATA);
    if (data < 0) break;
    const off_t hole = lseek(memory->fd_, data, SEEK_HOLE);
    const uint8_t* from = reinterpret_cast<const uint8_t*>(memory->state_) + data;
    good = hole > data && pwrite(fd, from, static_cast<size_t>(hole - data), data) == hole - data;
    at = hole;
  }
  const int os_errno = errno;
  close(fd);
  if (!good) {
    unlink(path.c_str());
    fail_errno(Errc::io, os_errno, fmt::format("cannot write the simulated host {}", path));
  }
  return open_file(path);
}

std::unique_ptr<Host> Host::open_file(const std::string& path) {
  const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) fail_errno(Errc::io, errno, fmt::format("cannot open the simulated host {}", path));
  auto host = std::unique_ptr<Host>(new Host);
  host->fd_ = fd;
  struct stat st {};
  if (fstat(fd, &st) != 0 || static_cast<uint64_t>(st.st_size) < sizeof(HostState))
    fail(Errc::io, "{} is not a simulated host", path);
  host->attach(fd, static_cast<uint64_t>(st.st_size));
  const HostState& s = *host->state_;
  if (s.magic != kHostMagic || s.bytes != static_cast<uint64_t>(st.st_size) ||
      s.memory_offset != offsets_for(s.max_page).memory)
    fail(Errc::io, "{} is not a simulated host of this version", path);
  uint8_t* base = reinterpret_cast<uint8_t*>(host->state_);
  host->frames_ = reinterpret_cast<Frame*>(base + s.frames_offset);
  host->free_ = reinterpret_cast<uint64_t*>(base + s.free_offset);
  host->memory_ = base + s.memory_offset;
  host->m2p_ = host->entries(mfn_t(s.m2p_mfn));
  return host;
}

Host::~Host() {
  if (state_) {
    // The mapping's size stands in the state; a host that never got one has only its struct.
    struct stat st {};
    if (fstat(fd_, &st) == 0) munmap(state_, static_cast<size_t>(st.st_size));
  }
  if (fd_ >= 0) close(fd_);
}

uint64_t* Host::dirty_bitmap(const Domain& domain) {
  const auto slot = static_cast<uint64_t>(&domain - state_->domains);
  return reinterpret_cast<uint64_t*>(reinterpret_cast<uint8_t*>(state_) + state_->dirty_offset +
                                     slot * kBitmapBytes);
}

Domain* Host::find_domain(DomainNumber domid) {
  for (unsigned slot = 0; slot < kMaxDomains; ++slot)
    if (state_->domids[slot] == domid) return &state_->domains[slot];
  return nullptr;
}

uint64_t Host::random_below(uint64_t bound) {
  return next_random(state_->random) % bound;
}

int Host::begin_call(CallKind kind, DomainNumber caller) {
  FaultPlan& plan = caller == 0 ? faults_ : guest_faults_;
  const auto& hook = caller == 0 ? before_call_ : before_guest_call_;
  const int os_errno = plan.next(kind);
  if (hook) hook(Call{plan.calls(), kind, caller});
  return os_errno;
}

void Host::lock() {
  // A process that died inside a call leaves a half-done call behind, as a crash of Xen would not;
  // the state stays readable, which is all that tools can ask for.
  if (pthread_mutex_lock(&state_->lock) == EOWNERDEAD) pthread_mutex_consistent(&state_->lock);
}

void Host::unlock() {
  pthread_mutex_unlock(&state_->lock);
}

}  // namespace ferry::sim
