// workload MIB WORKERS [still]: keeps a PV guest's memory, page tables and registers busy, and
// checks all of it.
//
// The first process holds MIB of memory with known content (zero, patterned and random-looking
// pages), verifies every word of it about twice a second, rewrites a rotating part, and prints one
// line a pass:
//   tick 12 ok mono=8.512 real=1700000000.123 boot=8.512 back=none sum=0123456789abcdef
// `back` names the clocks that went backwards since the last line; `sum` digests the part that
// never changes. With "still" none of it does: the guest is as good as idle. One worker for each
// vCPU forks children, maps, protects and unmaps memory, and checks that values, protections,
// copy-on-write and vector registers survive. Anything wrong is one line:
//   CORRUPT what
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
  kPage = 4096,
  kWords = kPage / 8,
  kMaxWorkers = 16,
  kSlicePages = 64,  // private memory of a worker that its children inherit
  kVaultPages = 16,  // pages that stay read-only or inaccessible between rounds
  kStandstillTicks = 60,
};

typedef struct {
  atomic_ulong rounds[kMaxWorkers];
} Shared;

static Shared* shared;

static void say(const char* format, ...) {
  char line[256];
  va_list args;
  va_start(args, format);
  int length = vsnprintf(line, sizeof(line) - 1, format, args);
  va_end(args);
  if (length > (int)sizeof(line) - 2) length = (int)sizeof(line) - 2;
  line[length++] = '\n';
  if (write(1, line, (size_t)length) < 0) _exit(3);
}

#define CORRUPT(...) say("CORRUPT " __VA_ARGS__)

static void* map(size_t pages, int flags) {
  void* at = mmap(NULL, pages * kPage, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | flags, -1, 0);
  if (at == MAP_FAILED) {
    CORRUPT("no memory for %zu pages", pages);
    exit(1);
  }
  return at;
}

// Content
// ------------------------------------------------------------------------------------------

static uint64_t mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

typedef enum { kZero, kPattern, kRandom } Kind;

static uint64_t word_of(Kind kind, uint64_t key, unsigned word) {
  if (kind == kZero) return 0;
  if (kind == kPattern) return (key << 16) | (word & 0x3f);
  return mix(key * 0x9e3779b97f4a7c15u + word);
}

static void fill(uint64_t* page, Kind kind, uint64_t key) {
  for (unsigned i = 0; i < kWords; ++i) page[i] = word_of(kind, key, i);
}

// Returns the sum of the page's words, so that the caller can digest what it has verified.
static uint64_t verify(const uint64_t* page, Kind kind, uint64_t key, const char* what,
                       size_t index) {
  uint64_t sum = 0;
  for (unsigned i = 0; i < kWords; ++i) {
    const uint64_t want = word_of(kind, key, i), got = page[i];
    if (got != want) {
      CORRUPT("%s page %zu word %u: %016lx, not %016lx", what, index, i, (unsigned long)got,
              (unsigned long)want);
      return sum;
    }
    sum += got;
  }
  return sum;
}

// Faults that are meant to happen
// --------------------------------------------------------------------

static sigjmp_buf fault_return;

static void on_fault(int signal_number) {
  (void)signal_number;
  siglongjmp(fault_return, 1);
}

static int faults(volatile uint64_t* at, int writing) {
  if (sigsetjmp(fault_return, 1)) return 1;
  if (writing)
    *at = 1;
  else
    (void)*at;
  return 0;
}

// Vector registers
// -------------------------------------------------------------------------------------

static void check_registers(unsigned long seed) {
  uint64_t in[32], out[32];
  for (unsigned i = 0; i < 32; ++i) in[i] = mix(seed + i);
  __asm__ volatile(
      "movdqu 0(%0),%%xmm0; movdqu 16(%0),%%xmm1; movdqu 32(%0),%%xmm2; movdqu 48(%0),%%xmm3;"
      "movdqu 64(%0),%%xmm4; movdqu 80(%0),%%xmm5; movdqu 96(%0),%%xmm6; movdqu 112(%0),%%xmm7;"
      "movdqu 128(%0),%%xmm8; movdqu 144(%0),%%xmm9; movdqu 160(%0),%%xmm10; movdqu "
      "176(%0),%%xmm11;"
      "movdqu 192(%0),%%xmm12; movdqu 208(%0),%%xmm13; movdqu 224(%0),%%xmm14; movdqu "
      "240(%0),%%xmm15;"
      "mov $300000,%%ecx; 1: dec %%ecx; jnz 1b;"
      "movdqu %%xmm0,0(%1); movdqu %%xmm1,16(%1); movdqu %%xmm2,32(%1); movdqu %%xmm3,48(%1);"
      "movdqu %%xmm4,64(%1); movdqu %%xmm5,80(%1); movdqu %%xmm6,96(%1); movdqu %%xmm7,112(%1);"
      "movdqu %%xmm8,128(%1); movdqu %%xmm9,144(%1); movdqu %%xmm10,160(%1); movdqu "
      "%%xmm11,176(%1);"
      "movdqu %%xmm12,192(%1); movdqu %%xmm13,208(%1); movdqu %%xmm14,224(%1); movdqu "
      "%%xmm15,240(%1);"
      :
      : "r"(in), "r"(out)
      : "rcx", "cc", "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
        "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
  if (memcmp(in, out, sizeof(in)) != 0) CORRUPT("vector registers changed");
}

// Workers
// ----------------------------------------------------------------------------------------------

static uint64_t slice_key(unsigned worker, size_t page) {
  return 1000003u * (worker + 1) + page;
}
static Kind kind_of(size_t page) {
  return (Kind)(page % 3);
}

// A child checks what it inherited, writes over its copy, and plays with a mapping of its own.
static void child(unsigned worker, uint64_t* slice, unsigned long round) {
  for (size_t p = 0; p < kSlicePages; ++p) {
    verify(slice + p * kWords, kind_of(p), slice_key(worker, p), "inherited", p);
    fill(slice + p * kWords, kRandom, round + p);
  }
  uint64_t* own = map(kSlicePages, MAP_PRIVATE);
  for (size_t p = 0; p < kSlicePages; ++p) fill(own + p * kWords, kind_of(p), round * 31 + p);
  if (mprotect(own, kSlicePages / 2 * kPage, PROT_READ) != 0) CORRUPT("mprotect: errno %d", errno);
  if (!faults(own, 1)) CORRUPT("a read-only page took a write");
  munmap(own + 8 * kWords, 8 * kPage);
  for (size_t p = 0; p < kSlicePages; ++p) {
    if (p < 8 || p >= 16) verify(own + p * kWords, kind_of(p), round * 31 + p, "child's", p);
    verify(slice + p * kWords, kRandom, round + p, "child's copy", p);
  }
  if (!faults(own + 8 * kWords, 0)) CORRUPT("an unmapped page could be read");
  _exit(37);
}

// Pages that are inaccessible or read-only while nobody looks, hence at most saves.
static void check_vault(uint64_t* vault, unsigned worker, unsigned long round) {
  for (size_t p = 0; p < kVaultPages; ++p) {
    uint64_t* page = vault + p * kWords;
    const uint64_t key = slice_key(worker, p) ^ 0xabcdef;
    if (round > 0) {
      if (!faults(page, 1)) CORRUPT("vault page %zu lost its protection", p);
      if (p % 2 == 0 && !faults(page, 0)) CORRUPT("vault page %zu became readable", p);
      if (mprotect(page, kPage, PROT_READ | PROT_WRITE) != 0) CORRUPT("mprotect: errno %d", errno);
      verify(page, kRandom, key + round - 1, "vault", p);
    }
    fill(page, kRandom, key + round);
    if (mprotect(page, kPage, p % 2 == 0 ? PROT_NONE : PROT_READ) != 0)
      CORRUPT("mprotect: errno %d", errno);
  }
}

static void worker_main(unsigned worker) {
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  CPU_SET(worker % (unsigned)sysconf(_SC_NPROCESSORS_ONLN), &cpus);
  sched_setaffinity(0, sizeof(cpus), &cpus);
  uint64_t* slice = map(kSlicePages, MAP_PRIVATE);
  uint64_t* vault = map(kVaultPages, MAP_PRIVATE);
  for (size_t p = 0; p < kSlicePages; ++p)
    fill(slice + p * kWords, kind_of(p), slice_key(worker, p));
  for (unsigned long round = 0;; ++round) {
    const pid_t pid = fork();
    if (pid == 0) child(worker, slice, round);
    check_registers(round);
    check_vault(vault, worker, round);
    int status = 0;
    pid_t waited = -1;
    while (pid > 0 && (waited = waitpid(pid, &status, 0)) < 0 && errno == EINTR) {
    }
    if (waited != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 37)
      CORRUPT("child of worker %u ended with status %x", worker, status);
    for (size_t p = 0; p < kSlicePages; ++p)
      verify(slice + p * kWords, kind_of(p), slice_key(worker, p), "worker's", p);
    atomic_fetch_add(&shared->rounds[worker], 1);
    usleep(150 * 1000);
  }
}

// Clocks
// -----------------------------------------------------------------------------------------------

static const struct {
  clockid_t id;
  const char* name;
} kClocks[] = {{CLOCK_MONOTONIC, "mono"}, {CLOCK_REALTIME, "real"}, {CLOCK_BOOTTIME, "boot"}};

static int64_t read_clock(clockid_t id) {
  struct timespec now;
  clock_gettime(id, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

// Appends every clock's value and then the names of those that went backwards.
static void describe_clocks(char* text, size_t size) {
  static int64_t last[3];
  char back[32] = "";
  size_t used = 0;
  for (unsigned i = 0; i < 3; ++i) {
    const int64_t now = read_clock(kClocks[i].id);
    if (now < last[i]) {
      if (back[0]) strcat(back, ",");
      strcat(back, kClocks[i].name);
    }
    last[i] = now;
    used += (size_t)snprintf(text + used, size - used, " %s=%ld.%03ld", kClocks[i].name,
                             (long)(now / 1000000000), (long)(now / 1000000 % 1000));
  }
  snprintf(text + used, size - used, " back=%s", back[0] ? back : "none");
}

// The first process
// ------------------------------------------------------------------------------------

// The first pages, `same` of them, never change; of the others one page in 16 is rewritten every
// tick.
static uint64_t verify_stock(uint64_t* stock, uint32_t* generation, size_t pages, size_t same,
                             unsigned long tick) {
  uint64_t sum = 0;
  for (size_t p = 0; p < pages; ++p) {
    const uint64_t key = p + ((uint64_t)generation[p] << 32);
    const uint64_t part = verify(stock + p * kWords, kind_of(p), key, "stock", p);
    if (p < same) {
      sum = mix(sum + part);
    } else if (p % 16 == tick % 16) {
      ++generation[p];
      fill(stock + p * kWords, kind_of(p), p + ((uint64_t)generation[p] << 32));
    }
  }
  return sum;
}

static void check_progress(unsigned workers) {
  static unsigned long seen[kMaxWorkers];
  static unsigned still[kMaxWorkers];
  for (unsigned w = 0; w < workers; ++w) {
    const unsigned long rounds = atomic_load(&shared->rounds[w]);
    still[w] = rounds == seen[w] ? still[w] + 1 : 0;
    seen[w] = rounds;
    if (still[w] == kStandstillTicks) CORRUPT("worker %u stands still after %lu rounds", w, rounds);
  }
}

int main(int argc, char** argv) {
  const size_t pages = (argc > 1 ? strtoul(argv[1], NULL, 10) : 24) * 256;
  unsigned workers = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 1;
  if (workers > kMaxWorkers) workers = kMaxWorkers;
  const int still = argc > 3 && strcmp(argv[3], "still") == 0;
  signal(SIGSEGV, on_fault);
  shared = map(1, MAP_SHARED);
  uint64_t* stock = map(pages, MAP_PRIVATE);
  uint32_t* generation = map((pages * sizeof(uint32_t) + kPage - 1) / kPage, MAP_PRIVATE);
  for (size_t p = 0; p < pages; ++p) fill(stock + p * kWords, kind_of(p), p);
  say("workload of %zu MiB, %u workers, %ld vcpus", pages / 256, workers,
      sysconf(_SC_NPROCESSORS_ONLN));
  for (unsigned w = 0; w < workers; ++w) {
    if (fork() == 0) worker_main(w);
  }
  uint64_t first_sum = 0;
  for (unsigned long tick = 1;; ++tick) {
    const uint64_t sum = verify_stock(stock, generation, pages, still ? pages : pages / 2, tick);
    if (tick == 1) first_sum = sum;
    if (sum != first_sum) CORRUPT("sum of the unchanging half changed");
    check_progress(workers);
    char clocks[160];
    describe_clocks(clocks, sizeof(clocks));
    say("tick %lu ok%s sum=%016lx", tick, clocks, (unsigned long)sum);
    usleep(250 * 1000);
  }
}
