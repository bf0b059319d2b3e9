// Which files of this host a configuration may name.
#include "config/trust_places.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "config/device_use.h"
#include "io/descriptor.h"
#include "settings/places.h"

namespace ferry {
namespace {

namespace fs = std::filesystem;

// Where a path leads: what is not there yet is taken by its name. Empty if nobody can say.
std::string resolved(const std::string& path, bool here) {
  if (!here) return fs::path(path).lexically_normal().string();
  std::error_code problem;
  const fs::path found = fs::weakly_canonical(path, problem);
  return problem ? std::string() : found.string();
}

bool is_under(const std::string& path, std::string folder) {
  while (folder.ends_with('/')) folder.pop_back();
  return path.starts_with(folder + "/");
}

bool is_in(const std::string& path, const std::vector<std::string>& folders, bool here) {
  return std::any_of(folders.begin(), folders.end(), [&](const std::string& folder) {
    if (folder.ends_with('*')) return path.starts_with(folder.substr(0, folder.size() - 1));
    const std::string to = resolved(folder, here);
    return !to.empty() && is_under(path, to);
  });
}

std::string fault_of_file(const std::string& path, const std::vector<std::string>& folders,
                          bool here) {
  if (!path.starts_with('/')) return "it is no absolute path";
  const std::string to = resolved(path, here);
  if (to.empty()) return "nobody can say where it leads";
  if (is_in(to, folders, here)) return {};
  return fmt::format("it {} outside of {}", to == path ? "is" : "leads to " + to + ",",
                     fmt::join(folders, ", "));
}

std::string fault_of_owner(const std::string& path, uid_t owner) {
  struct stat found = {};
  if (stat(path.c_str(), &found) != 0) return "it is not there";
  if (found.st_uid != owner) return fmt::format("it belongs to user {}", found.st_uid);
  if (found.st_mode & (S_IWGRP | S_IWOTH)) return "others may write to it";
  return {};
}

// A qcow2 image can name another file, which would be opened too: one that lies in no folder of
// ours, and perhaps the guest itself has written that name into its disk.
std::string fault_of_qcow2(const std::string& path) {
  constexpr size_t kHeader = 80, kBackingOffset = 8, kFeatures = 72;
  constexpr std::byte kExternalData{4};
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) return {};  // qemu will not open it either
  std::array<std::byte, kHeader> head{};
  const ssize_t n = pread(file.get(), head.data(), head.size(), 0);
  if (n < 24 || std::memcmp(head.data(), "QFI\xfb", 4) != 0) return "it is no qcow2 image";
  const auto is_zero = [](std::byte byte) { return byte == std::byte{0}; };
  if (!std::all_of(&head[kBackingOffset], &head[kBackingOffset + 8], is_zero))
    return "it names another file that it is based on";
  const bool third = std::to_integer<int>(head[7]) >= 3;
  if (third && (head[kFeatures + 7] & kExternalData) != std::byte{0})
    return "it names another file that has its data";
  return {};
}

bool is_plain_target(const std::string& target) {
  return std::all_of(target.begin(), target.end(), [](unsigned char c) {
    return std::isalnum(c) || std::strchr("._:,=@+-", c) != nullptr;
  });
}

TrustPlaces places_of(const Settings& settings, bool here) {
  return {.kernels = settings.get<"kernel_folders">(),
          .disks = settings.get<"disk_folders">(),
          .scripts = settings.get<"script_folder">(),
          .here = here};
}

}  // namespace

TrustPlaces trust_places() {
  return places_of(places(), true);
}

TrustPlaces usual_trust_places() {
  return places_of(Settings(), false);
}

std::string fault_of_kernel(const std::string& path, const TrustPlaces& places) {
  return fault_of_file(path, places.kernels, places.here);
}

std::string fault_of_script(const std::string& name, const TrustPlaces& places) {
  const std::string path = name.starts_with('/') ? name : places.scripts + "/" + name;
  const std::string to = resolved(path, places.here);
  if (to.empty()) return "nobody can say where it leads";
  const std::string folder = resolved(places.scripts, places.here);
  if (folder.empty() || !is_under(to, folder))
    return fmt::format("it is a program outside of {}", places.scripts);
  if (!places.here) return {};
  const std::string fault = fault_of_owner(to, places.owner);
  if (!fault.empty()) return fault;
  const std::string at = fault_of_owner(fs::path(to).parent_path(), places.owner);
  return at.empty() ? at : fmt::format("of its folder, {}", at);
}

std::string fault_of_disk(const std::string& target, const std::string& format,
                          const std::string& script, const TrustPlaces& places) {
  // A script takes what it likes for a target: a name that is no path names no file.
  if (!script.empty() && !target.starts_with('/'))
    return is_plain_target(target) ? std::string() : "what its script would make of it is unknown";
  const std::string fault = fault_of_file(target, places.disks, places.here);
  if (!fault.empty()) return fault;
  if (places.here) {
    const std::string use = fault_of_device(target);
    if (!use.empty()) return use;
  }
  if (format.empty() || format == "raw" || format == "unknown" || format == "empty") return {};
  if (format != "qcow2") return fmt::format("a disk of format {} can name other files", format);
  return places.here ? fault_of_qcow2(target) : std::string();
}

}  // namespace ferry
