// Whole commands over simulated hosts.
#include "tests/engine/toolstack.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "custody/resume_guest.h"
#include "host/engine_here.h"
#include "sim/machine/domains.h"
#include "sim/seam/binding.h"

namespace ferry::sim {

namespace {

namespace fs = std::filesystem;

// No file of this process may grow beyond the limit while it lives.
class FileLimit {
 public:
  explicit FileLimit(uint64_t bytes) {
    getrlimit(RLIMIT_FSIZE, &before_);
    rlimit limit = before_;
    limit.rlim_cur = std::min<rlim_t>(bytes, before_.rlim_max);
    before_handler_ = signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileLimit() {
    setrlimit(RLIMIT_FSIZE, &before_);
    signal(SIGXFSZ, before_handler_);
  }
  FileLimit(const FileLimit&) = delete;
  FileLimit& operator=(const FileLimit&) = delete;

 private:
  rlimit before_{};
  sighandler_t before_handler_;
};

class AtEnd {
 public:
  explicit AtEnd(std::function<void()> action) : action_(std::move(action)) {}
  ~AtEnd() { action_(); }
  AtEnd(const AtEnd&) = delete;
  AtEnd& operator=(const AtEnd&) = delete;

 private:
  std::function<void()> action_;
};

// A life cycle that remembers how many calls had failed when it began to tidy up.
class Watched final : public SimLifecycle {
 public:
  Watched(Host& host, const Hypervisor& xen, const GuestHooks& guests, uint64_t& failures)
      : SimLifecycle(host, xen, guests), host_(host), failures_(failures) {}
  void discard(domid_t domid) override {
    failures_ = host_.faults().failures();
    SimLifecycle::discard(domid);
  }

 private:
  Host& host_;
  uint64_t& failures_;
};

// Runs body(xen, life, before_recovery) on the host with what a command opens first. body, or the
// life cycle, sets before_recovery to the failures so far when all that follows is recovery.
template <typename Body>
void command(Host& host, const GuestHooks& guests, Ended& ended, Body body) {
  BindThread bind(host);
  uint64_t before_recovery = ~uint64_t{0};
  try {
    Hypervisor xen;
    Watched life(host, xen, guests, before_recovery);
    body(xen, life, before_recovery);
  } catch (const Error& e) {
    ended.error = e.code();
    ended.sentence = e.what();
  }
  const uint64_t failures = host.faults().failures();
  ended.failures_in_recovery = failures - std::min(failures, before_recovery);
}

}  // namespace

Workplace::Workplace() {
  const fs::path memory = "/dev/shm";
  folder_ = (fs::is_directory(memory) ? memory : fs::temp_directory_path()) / "ferry-test-XXXXXX";
  if (!mkdtemp(folder_.data())) fail_errno(Errc::io, errno, "cannot make a folder for a test");
  setenv("FERRY_RUN_DIR", folder_.c_str(), 1);
  setenv("FERRY_STATE_DIR", kept().c_str(), 1);
}

Workplace::~Workplace() {
  fs::remove_all(kept());
  fs::remove_all(folder_);
}

bool Workplace::has_image() const {
  return fs::exists(image());
}

Bytes Workplace::read_image() const {
  std::ifstream file(image(), std::ios::binary);
  Bytes bytes(fs::file_size(image()));
  file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  return bytes;
}

bool Workplace::clear() {
  fs::remove(image());
  for (const auto& entry : fs::directory_iterator(folder_))
    if (entry.is_socket()) fs::remove(entry.path());
  constexpr unsigned kTries = 300;
  for (unsigned tries = 0; tries < kTries && !fs::is_empty(folder_); ++tries) usleep(10'000);
  return fs::is_empty(folder_);
}

ScratchGuest build_running_guest(Host& host, GuestSpec spec, const std::string& name) {
  spec.suspended = false;
  const ScratchGuest guest = build_guest(host, spec);
  HostLock lock(host);
  unpause_domain(*host.find_domain(guest.domid));
  name_domain(host, guest.domid, name);
  return guest;
}

void name_domain(Host& host, uint32_t domid, const std::string& name) {
  Domain& d = *host.find_domain(static_cast<DomainNumber>(domid));
  name.copy(d.name, sizeof d.name - 1);
}

bool exists(Host& host, uint32_t domid) {
  HostLock lock(host);
  const Domain* d = host.find_domain(static_cast<DomainNumber>(domid));
  return d && !d->dying;
}

bool runs(Host& host, uint32_t domid) {
  HostLock lock(host);
  const Domain* d = host.find_domain(static_cast<DomainNumber>(domid));
  return d && runnable(*d) && d->vcpus[0].initialised && !d->vcpus[0].down;
}

Ended run_save(Host& host, Executor& executor, const SaveRun& run) {
  Ended ended;
  command(
      host, run.guests, ended, [&](const Hypervisor& xen, SimLifecycle& life, uint64_t& failures) {
        const SaveEngine inner =
            run.instead ? run.instead : host::engine_here(xen, executor, run.engine);
        const auto engine = [&](domid_t domid, int fd, const EngineOptions& options,
                                const EngineCallbacks& callbacks) {
          const AtEnd at_end([&] {  // also when the engine throws
            failures = host.faults().failures();
            if (run.engine_ended) run.engine_ended();
          });
          const FileLimit limit(run.image_limit);
          inner(domid, fd, options, callbacks);
        };
        save_guest(xen, life, engine, run.request, [](const std::string&, uint64_t, uint64_t) {});
      });
  return ended;
}

std::vector<std::string> commands_named(const std::string& sentence) {
  std::vector<std::string> commands;
  const size_t start = sentence.find("try: ");
  if (start == std::string::npos) return commands;
  std::string rest = sentence.substr(start + 5);
  for (size_t end; (end = rest.find(" && ")) != std::string::npos; rest = rest.substr(end + 4))
    commands.push_back(rest.substr(0, end));
  commands.push_back(rest);
  return commands;
}

Ended run_named(Host& host, const std::string& text, const GuestHooks& guests) {
  Ended ended;
  command(host, guests, ended, [&](const Hypervisor& xen, SimLifecycle& life, uint64_t&) {
    const std::string name = text.substr(text.rfind(' ') + 1);
    if (text.starts_with("ferry resume "))
      resume_guest(xen, life, name, false);
    else if (text.starts_with("xl destroy "))
      life.destroy(life.find(name));
    else if (text.starts_with("xl pause "))
      life.pause(life.find(name));
    else
      fail(Errc::usage, "no operator knows the command \"{}\"", text);
  });
  return ended;
}

RestoreEnded run_restore(Host& host, const std::string& config, std::span<const std::byte> image,
                         Executor& executor, const GuestHooks& guests) {
  RestoreEnded ended;
  MemorySource source(image);
  command(host, guests, ended, [&](const Hypervisor& xen, SimLifecycle& life, uint64_t&) {
    ended.guest = restore_guest(xen, life, config, source, executor, false);
  });
  return ended;
}

std::string config_of(Host& host, uint32_t domid) {
  std::string config;
  Ended ended;
  command(host, {}, ended, [&](const Hypervisor&, SimLifecycle& life, uint64_t&) {
    config = life.config_json(domid_t{static_cast<uint16_t>(domid)});
  });
  if (!ended.done()) fail(Errc::internal, "no configuration: {}", ended.sentence);
  return config;
}

GuestView without_suspend_result(GuestView view) {
  if (!view.vcpus.empty()) view.vcpus[0].context.user_regs.rax = 0;
  return view;
}

}  // namespace ferry::sim
