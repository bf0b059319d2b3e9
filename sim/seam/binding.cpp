// The current host of a thread and of the process.
#include "sim/seam/binding.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <mutex>

#include "error/error.h"
#include "sim/seam/usage.h"

namespace ferry::sim {

namespace {

thread_local Host* thread_host = nullptr;
std::atomic<Host*> process_host{nullptr};

// A host named by the environment serves programs that know nothing of the simulation.
Host* host_from_environment() {
  static std::once_flag once;
  static Host* host = nullptr;  // lives as long as the program: its mappings are dropped at exit
  std::call_once(once, [] {
    const char* path = getenv("FERRY_SIM_HOST");
    if (!path) return;
    try {
      host = Host::open_file(path).release();
    } catch (const Error& e) {
      fprintf(stderr, "ferry-sim: %s\n", e.what());
    }
  });
  return host;
}

}  // namespace

BindThread::BindThread(Host& host) : before_(thread_host) {
  thread_host = &host;
}
BindThread::~BindThread() {
  thread_host = before_;
}

void bind_process(Host* host) {
  process_host = host;
}

Host* bound_host() {
  if (thread_host) return thread_host;
  if (Host* host = process_host) return host;
  return host_from_environment();
}

UsageCounters& usage_counters() {
  static UsageCounters counters;
  return counters;
}

SeamUsage seam_usage() {
  const UsageCounters& c = usage_counters();
  return {c.handles, c.buffers, c.mapped_pages};
}

uint64_t refused_buffers() {
  return usage_counters().refused_buffers;
}

}  // namespace ferry::sim
