// A shared object that takes a reader over: loaded into a program in front of xxhash and zstd, it
// does what TAKEN_OVER says when it begins to read records, or at the first digest of all with
// TAKEN_OVER_AT_ONCE (the save helper makes one of a constant itself), and prints "TAKEN" for what
// worked, but for a program whose standard output is not for people. In front of OpenSSL it does
// what TAKEN_OVER_TLS says when a connection that was accepted is first read.
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <thread>

namespace {

using Create = void* (*)();
// XXH128_hash_t
struct Hash {
  uint64_t low, high;
};
using Canonical = void (*)(void*, Hash);
using SslRead = int (*)(void*, void*, size_t, size_t*);
using Parse = bool (*)(void*, const void*, int);
using Decompress = size_t (*)(void*, void*, size_t, const void*, size_t);

Create real_create_state = nullptr;
Create real_create_context = nullptr;
Canonical real_canonical = nullptr;
Decompress real_decompress = nullptr;
SslRead real_ssl_read = nullptr;
Parse real_parse = nullptr;
// google::protobuf::MessageLite::ParseFromArray(const void*, int)
constexpr char kParse[] = "_ZN6google8protobuf11MessageLite14ParseFromArrayEPKvi";
const char* wanted = "";
const char* place = "";  // of a file that is not there
bool tried = false;
constexpr int kMostDescriptors = 64;
std::atomic<unsigned char*> last_pages = nullptr;
std::atomic<size_t> last_size = 0;

bool is_wanted(const char* what) {
  return std::strcmp(wanted, what) == 0;
}

// To whatever takes it. What was open before the first of ours is nobody's here.
bool say(const void* words, size_t size) {
  bool said = false;
  for (int fd = 3; fd < kMostDescriptors; ++fd)
    said |= write(fd, words, size) == static_cast<ssize_t>(size);
  return said;
}

// Nothing that is a message (intake/message.h).
bool say_garbage() {
  unsigned char garbage[4096];
  std::memset(garbage, 0xff, sizeof garbage);
  return say(garbage, sizeof garbage);
}

// That there is a guest of one page, and that the image has come to its end.
bool say_that_all_is_well() {
  const uint64_t messages[] = {2 | uint64_t{32} << 32, 1, 1, 1, 0, 0, 9, 0};
  return say(messages, sizeof messages);
}

// Writes an entry that leads out of the guest all over the last pages, while others look at them.
void write_pages_for_ever() {
  const uint64_t entry = 0x8000000abcdef067;
  for (;;) {
    unsigned char* const pages = last_pages;
    for (size_t at = 0; pages != nullptr && at < last_size; at += sizeof entry)
      std::memcpy(pages + at, &entry, sizeof entry);
  }
}

bool attempt() {
  if (is_wanted("read")) return open("/etc/passwd", O_RDONLY) >= 0;
  if (is_wanted("write")) return open(place, O_WRONLY | O_CREAT, 0600) >= 0;
  if (is_wanted("hypercall")) return open("/dev/xen/privcmd", O_RDWR) >= 0;
  if (is_wanted("store")) return open("/dev/xen/xenbus", O_RDWR) >= 0;
  if (is_wanted("garbage")) return say_garbage();
  if (is_wanted("lie")) return say_that_all_is_well();
  if (is_wanted("leave")) _exit(0);
  if (is_wanted("crash")) abort();
  if (is_wanted("change")) std::thread(write_pages_for_ever).detach();
  if (is_wanted("connect")) return socket(AF_INET, SOCK_STREAM, 0) >= 0;
  if (is_wanted("trace")) return ptrace(PTRACE_ATTACH, getppid(), nullptr, nullptr) == 0;
  if (is_wanted("signal")) return kill(getppid(), 0) == 0;
  if (is_wanted("run")) execl("/bin/echo", "echo", "TAKEN", nullptr);
  return false;
}

__attribute__((constructor)) void prepare() {
  real_create_state = reinterpret_cast<Create>(dlsym(RTLD_NEXT, "XXH3_createState"));
  real_create_context = reinterpret_cast<Create>(dlsym(RTLD_NEXT, "ZSTD_createDCtx"));
  real_decompress = reinterpret_cast<Decompress>(dlsym(RTLD_NEXT, "ZSTD_decompressDCtx"));
  real_canonical = reinterpret_cast<Canonical>(dlsym(RTLD_NEXT, "XXH128_canonicalFromHash"));
  real_ssl_read = reinterpret_cast<SslRead>(dlsym(RTLD_NEXT, "SSL_read_ex"));
  if (const char* what = std::getenv("TAKEN_OVER")) wanted = what;
  if (const char* where = std::getenv("TAKEN_OVER_PLACE")) place = where;
}

void try_once() {
  if (tried) return;
  tried = true;
  const bool quiet = std::getenv("TAKEN_OVER_QUIET") != nullptr;
  if (attempt() && !quiet && write(STDOUT_FILENO, "TAKEN\n", 6) != 6) _exit(1);
}

}  // namespace

extern "C" void* XXH3_createState() {
  try_once();
  return real_create_state();
}
extern "C" void XXH128_canonicalFromHash(void* into, Hash hash) {
  if (std::getenv("TAKEN_OVER_AT_ONCE") != nullptr) try_once();
  real_canonical(into, hash);
}
extern "C" void* ZSTD_createDCtx() {
  try_once();
  return real_create_context();
}
extern "C" size_t ZSTD_decompressDCtx(void* context, void* into, size_t size, const void* from,
                                      size_t bytes) {
  const size_t done = real_decompress(context, into, size, from, bytes);
  last_size = 0;
  last_pages = static_cast<unsigned char*>(into);
  last_size = size;
  return done;
}
extern "C" int SSL_read_ex(void* ssl, void* into, size_t size, size_t* got) {
  const int done = real_ssl_read(ssl, into, size, got);
  if (const char* what = std::getenv("TAKEN_OVER_TLS"); what != nullptr && !tried) {
    wanted = what;
    try_once();
  }
  return done;
}

extern "C" bool parse_from_array(void* message, const void* from, int size) asm(
    "_ZN6google8protobuf11MessageLite14ParseFromArrayEPKvi");
extern "C" bool parse_from_array(void* message, const void* from, int size) {
  // Programs decode their schemas before prepare() was called.
  if (real_parse == nullptr) real_parse = reinterpret_cast<Parse>(dlsym(RTLD_NEXT, kParse));
  const char* what = std::getenv("TAKEN_OVER_FRAME");
  if (what != nullptr && !tried && memmem(from, static_cast<size_t>(size), "web1", 4) != nullptr) {
    wanted = what;
    try_once();
  }
  return real_parse(message, from, size);
}
