// Which files of this host a configuration may name that nobody vouches for.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace ferry {

struct TrustPlaces {
  // Folders, and beginnings of paths that end in *: "/srv", "/dev/dm-*".
  std::vector<std::string> kernels;  // and ramdisks
  std::vector<std::string> disks;
  std::string scripts = "/etc/xen/scripts";
  // Whether it is about the files of this host: links are followed, and owners looked at. Else only
  // the names count.
  bool here = true;
  uid_t owner = 0;  // of scripts
};

// As this host's settings have it (kernel_folders, disk_folders, script_folder).
TrustPlaces trust_places();
// With the usual settings, and without looking at any file: what some other host would say.
TrustPlaces usual_trust_places();

// Why the value is not taken: "it is outside of /boot and /srv"; nothing: it is.
std::string fault_of_kernel(const std::string& path, const TrustPlaces& places);
std::string fault_of_script(const std::string& name, const TrustPlaces& places);
// format: as libxl calls it, in small letters; script: of the disk, or empty.
std::string fault_of_disk(const std::string& target, const std::string& format,
                          const std::string& script, const TrustPlaces& places);

}  // namespace ferry
