// xl on a simulated host, step for step: what it does to the guest and in which order, with the
// real ferry-save-helper in its place. It asks nobody before it resumes or destroys, as xl does
// not.
//
//   xl_player HOST save NAME FILE | checkpoint NAME FILE | migrate NAME OTHER_HOST | destroy NAME
//                  | restore NAME FILE | rename NAME NEW | pause NAME | unpause NAME
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <sstream>

#include <fmt/format.h>

#include "error/error.h"
#include "io/byte_stream.h"
#include "io/descriptor.h"
#include "sim/seam/binding.h"
#include "sim_toolstack/kernel_guests.h"
#include "sim_toolstack/restore_guest.h"
#include "tests/sim/libxl_side.h"

namespace ferry::sim {
namespace {

// A host in a file, and its toolstack.
class Machine {
 public:
  explicit Machine(const std::string& path)
      : host_(Host::open_file(path)), bind_(*host_), life_(*host_, xen_, kernel_guests(*host_)) {}

  const Hypervisor& xen() { return xen_; }
  SimLifecycle& life() { return life_; }

 private:
  std::unique_ptr<Host> host_;
  BindThread bind_;
  Hypervisor xen_;
  SimLifecycle life_;
};

// libxl's part of a save: starts the helper and suspends the domain when that asks for it.
bool suspend_and_save(Machine& here, const std::string& host, domid_t domid, int fd) {
  std::vector<std::string> environment = {
      std::string("LD_PRELOAD=") + FERRY_SIM_PRELOAD, "FERRY_SIM_HOST=" + host, "FERRY_THREADS=1",
      "FERRY_RUN_DIR=" + host + ".run", "FERRY_STATE_DIR=" + host + ".jobs"};
  if (const char* more = getenv("XL_PLAYER_PRELOAD")) environment[0] += std::string(":") + more;
  if (const char* setting = getenv("XL_PLAYER_HELPER")) environment.push_back(setting);
  LibxlSide libxl;
  libxl.suspend = [&] {
    try {
      here.life().suspend(domid);
      return 1;
    } catch (const Error& e) {
      fmt::print(stderr, "xl: {}\n", e.what());
      return 0;
    }
  };
  const HelperResult result = run_helper({HELPER_PROGRAM, "--save-domain", std::to_string(fd), "-1",
                                          std::to_string(raw(domid)), "0", "136", "0"},
                                         environment, libxl);
  fmt::print(stderr, "{}", result.log);
  return result.exit_status == 0 && result.retval == 0;
}

// Whatever became of it: xl looks at nothing but the answer.
void resume(Machine& here, domid_t domid) {
  try {
    here.life().resume(domid);
  } catch (const Error& e) {
    fmt::print(stderr, "xl: {}\n", e.what());
  }
}

void save(const std::string& host, const std::string& name, const std::string& file,
          bool checkpoint) {
  Machine here(host);
  const domid_t domid = here.life().find(name);
  const std::string config = here.life().config_json(domid);
  const Descriptor out(open(file.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600));
  if (!out) fail_errno(Errc::io, errno, "cannot open " + file);
  std::ofstream(file + ".config") << config;
  if (!suspend_and_save(here, host, domid, out.get())) {
    fmt::print(stderr, "Failed to save domain, resuming domain\n");
    resume(here, domid);
    fail(Errc::guest, "the save failed");
  }
  if (checkpoint)
    resume(here, domid);
  else
    here.life().destroy(domid);
}

// The other host's xl migrate-receive, up to its report that the domain is ready.
domid_t receive(Machine& there, const std::string& name, const std::string& config, int fd) {
  lseek(fd, 0, SEEK_SET);
  FdSource image(fd, "the stream");
  const auto executor = make_thread_executor(1);
  const RestoredGuest guest =
      restore_guest(there.xen(), there.life(), config, image, *executor, true);
  there.life().rename(guest.domid, name + "--incoming");
  return guest.domid;
}

void migrate(const std::string& host, const std::string& name, const std::string& other) {
  Machine here(host);
  const domid_t domid = here.life().find(name);
  const std::string config = here.life().config_json(domid);
  const Descriptor stream(memfd_create("stream", 0));
  bool set_aside = false;
  try {
    if (!suspend_and_save(here, host, domid, stream.get())) fail(Errc::guest, "the save failed");
    Machine there(other);
    const domid_t copy = receive(there, name, config, stream.get());
    here.life().rename(domid, name + "--migratedaway");
    set_aside = true;
    there.life().rename(copy, name);
    there.life().unpause(copy);
  } catch (const Error& e) {
    fmt::print(stderr, "migration sender: {}; resuming at sender\n", e.what());
    if (set_aside) here.life().rename(domid, name);
    resume(here, domid);
    throw;
  }
  here.life().destroy(domid);
}

void restore(const std::string& host, const std::string& file) {
  std::ostringstream config;
  config << std::ifstream(file + ".config").rdbuf();
  Machine here(host);
  const Descriptor in(open(file.c_str(), O_RDONLY | O_CLOEXEC));
  FdSource image(in.get(), file);
  const auto executor = make_thread_executor(1);
  restore_guest(here.xen(), here.life(), config.str(), image, *executor, false);
}

void run(const std::vector<std::string>& words) {
  if (words.size() < 3) fail(Errc::usage, "xl_player HOST COMMAND NAME [WORD]");
  const std::string &host = words[0], &command = words[1], &name = words[2];
  const std::string more = words.size() > 3 ? words[3] : "";
  if (command == "save") return save(host, name, more, false);
  if (command == "checkpoint") return save(host, name, more, true);
  if (command == "migrate") return migrate(host, name, more);
  if (command == "restore") return restore(host, more);
  Machine here(host);
  SimLifecycle& life = here.life();
  const domid_t domid = life.find(name);
  if (command == "destroy") return life.destroy(domid);
  if (command == "rename") return life.rename(domid, more);
  if (command == "pause") return life.pause(domid);
  if (command == "unpause") return life.unpause(domid);
  fail(Errc::usage, "there is no xl {}", command);
}

}  // namespace
}  // namespace ferry::sim

int main(int argc, char** argv) {
  signal(SIGPIPE, SIG_IGN);
  try {
    ferry::sim::run({argv + 1, argv + argc});
    return 0;
  } catch (const std::exception& e) {
    fmt::print(stderr, "xl: {}\n", e.what());
    return 1;
  }
}
