// A shared object that takes a reader over: loaded into ferry in front of xxhash, it does what
// TAKEN_OVER says when the first record is digested, and prints "TAKEN" for what worked.
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

namespace {

using Create = void* (*)();

Create real_create_state = nullptr;
Create real_create_context = nullptr;
const char* wanted = "";
const char* place = "";  // of a file that is not there
bool tried = false;

bool is_wanted(const char* what) {
  return std::strcmp(wanted, what) == 0;
}

bool attempt() {
  if (is_wanted("read")) return open("/etc/passwd", O_RDONLY) >= 0;
  if (is_wanted("write")) return open(place, O_WRONLY | O_CREAT, 0600) >= 0;
  if (is_wanted("hypercall")) return open("/dev/xen/privcmd", O_RDWR) >= 0;
  if (is_wanted("connect")) return socket(AF_INET, SOCK_STREAM, 0) >= 0;
  if (is_wanted("trace")) return ptrace(PTRACE_ATTACH, getppid(), nullptr, nullptr) == 0;
  if (is_wanted("signal")) return kill(getppid(), 0) == 0;
  if (is_wanted("run")) execl("/bin/echo", "echo", "TAKEN", nullptr);
  return false;
}

__attribute__((constructor)) void prepare() {
  real_create_state = reinterpret_cast<Create>(dlsym(RTLD_NEXT, "XXH3_createState"));
  real_create_context = reinterpret_cast<Create>(dlsym(RTLD_NEXT, "ZSTD_createDCtx"));
  if (const char* what = std::getenv("TAKEN_OVER")) wanted = what;
  if (const char* where = std::getenv("TAKEN_OVER_PLACE")) place = where;
}

void try_once() {
  if (tried) return;
  tried = true;
  if (attempt() && write(STDOUT_FILENO, "TAKEN\n", 6) != 6) _exit(1);
}

}  // namespace

extern "C" void* XXH3_createState() {
  try_once();
  return real_create_state();
}
extern "C" void* ZSTD_createDCtx() {
  try_once();
  return real_create_context();
}
