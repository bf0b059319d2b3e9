// Whether this host itself uses a block device, as /proc and /sys tell.
#include "config/device_use.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <fmt/format.h>

namespace ferry {
namespace {

namespace fs = std::filesystem;

std::string number_of(dev_t device) {
  return fmt::format("{}:{}", major(device), minor(device));
}

// The third word of a line of mountinfo is the file system's device.
bool is_mounted(const std::string& device) {
  std::ifstream mounts("/proc/self/mountinfo");
  for (std::string line; std::getline(mounts, line);) {
    std::istringstream words(line);
    std::string id, parent, mounted;
    if (words >> id >> parent >> mounted && mounted == device) return true;
  }
  return false;
}

bool is_swap(const std::string& device) {
  std::ifstream swaps("/proc/swaps");
  std::string line;
  std::getline(swaps, line);  // the heading
  while (std::getline(swaps, line)) {
    struct stat found = {};
    const std::string path = line.substr(0, line.find_first_of(" \t"));
    if (stat(path.c_str(), &found) == 0 && S_ISBLK(found.st_mode) &&
        number_of(found.st_rdev) == device)
      return true;
  }
  return false;
}

bool is_empty_folder(const fs::path& folder) {
  std::error_code problem;
  fs::directory_iterator entries(folder, problem);
  return problem || entries == fs::directory_iterator();
}

// A disk, or one of its partitions: mounted, swapped to, or held by a volume or an array.
std::string use_of(const fs::path& sys, const std::string& device) {
  if (is_mounted(device)) return "this host has it mounted";
  if (is_swap(device)) return "this host swaps to it";
  if (!is_empty_folder(sys / "holders")) return "other devices of this host are made of it";
  return {};
}

}  // namespace

std::string fault_of_device(const std::string& path) {
  struct stat found = {};
  if (stat(path.c_str(), &found) != 0)
    return path.starts_with("/dev/") ? "it is not there" : std::string();
  if (S_ISREG(found.st_mode)) return {};
  if (!S_ISBLK(found.st_mode)) return "it is neither a file nor a block device";
  const std::string device = number_of(found.st_rdev);
  const fs::path sys = "/sys/dev/block/" + device;
  std::string use = use_of(sys, device);
  std::error_code problem;
  for (const fs::directory_entry& part : fs::directory_iterator(sys, problem)) {
    std::ifstream file(part.path() / "dev");
    std::string number;
    if (use.empty() && fs::exists(part.path() / "partition") && file >> number)
      if (!use_of(part.path(), number).empty()) use = "this host uses a part of it";
  }
  return use;
}

}  // namespace ferry
