// The program ferry-save-helper itself, over a simulated host in a file.
#include "tests/engine/real_helper.h"

#include <stdlib.h>

#include <filesystem>

#include "host/engine.h"

namespace ferry::sim {
namespace {

namespace fs = std::filesystem;

std::string number(uint64_t n) {
  return std::to_string(n);
}

}  // namespace

HostFile::HostFile(const HostConfig& config) {
  const fs::path memory = "/dev/shm";
  folder_ = (fs::is_directory(memory) ? memory : fs::temp_directory_path()) / "ferry-host-XXXXXX";
  if (!mkdtemp(folder_.data())) fail_errno(Errc::io, errno, "cannot make a folder for a host");
  host_ = Host::create_file(folder_ + "/host", config);
}

HostFile::~HostFile() {
  host_.reset();
  fs::remove_all(folder_);
}

std::vector<std::string> HostFile::environment(uint64_t dies_at,
                                               const std::string& in_front) const {
  const std::string first = in_front.empty() ? "" : in_front + ":";
  std::vector<std::string> all = {"LD_PRELOAD=" + first + FERRY_SIM_PRELOAD,
                                  "FERRY_SIM_HOST=" + folder_ + "/host", "FERRY_THREADS=2"};
  if (dies_at) all.push_back("FERRY_SIM_DIE_AT=" + number(dies_at));
  return all;
}

SaveEngine real_engine(const HostFile& file, uint64_t dies_at) {
  return
      [environment = file.environment(dies_at)](domid_t domid, int fd, const EngineOptions& options,
                                                const EngineCallbacks& callbacks) {
        setenv("FERRY_SAVE_HELPER", HELPER_PROGRAM, 1);
        const auto name = [](const std::string& setting) {
          return setting.substr(0, setting.find('='));
        };
        for (const std::string& setting : environment)
          setenv(name(setting).c_str(), setting.substr(setting.find('=') + 1).c_str(), 1);
        std::exception_ptr failure;
        try {
          host::run_save_engine(domid, fd, options, callbacks);
        } catch (...) {
          failure = std::current_exception();
        }
        for (const std::string& setting : environment) unsetenv(name(setting).c_str());
        if (failure) std::rethrow_exception(failure);
      };
}

HelperResult xl_save(const HostFile& file, uint32_t domid, int fd, bool live,
                     const LibxlSide& libxl, uint64_t dies_at) {
  return run_helper({HELPER_PROGRAM, "--save-domain", number(static_cast<uint64_t>(fd)), "-1",
                     number(domid), live ? "1" : "0", "136", "0"},
                    file.environment(dies_at), libxl);
}

std::vector<std::string> restore_arguments(const RestoreTarget& t, int fd) {
  return {HELPER_PROGRAM,
          "--restore-domain",
          number(static_cast<uint64_t>(fd)),
          "-1",
          number(raw(t.domid)),
          number(t.store_evtchn),
          number(t.store_domid),
          number(t.console_evtchn),
          number(t.console_domid),
          "768",
          "0"};
}

HelperResult xl_restore(const HostFile& file, const RestoreTarget& target, int fd,
                        const std::string& in_front, const std::vector<std::string>& more) {
  std::vector<std::string> environment = file.environment(0, in_front);
  environment.insert(environment.end(), more.begin(), more.end());
  return run_helper(restore_arguments(target, fd), environment);
}

}  // namespace ferry::sim
