// The copies of one guest on two hosts, and the disk that they all count on.
//
// Whenever a copy runs it compares the number in its memory with the one on the disk and puts both
// up. A copy whose memory is older than the disk, or two that run at once, would have destroyed a
// real guest's disks.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace ferry::pairs {

struct GuestCopy {
  char host = 'a';
  uint16_t domid = 0;
  std::string name;
  bool runs = false;       // its vCPUs may run
  bool suspended = false;  // as a save leaves it
  bool complete = false;   // it has vCPUs to run: its memory came as a whole
  bool paused() const { return complete && !runs && !suspended; }
};

class GuestOnDisk {
 public:
  // folder: where the hosts a.host and b.host are.
  explicit GuestOnDisk(std::string folder) : folder_(std::move(folder)) {}

  // Which guest it is: the one of that name on host a, which runs nowhere else. Its disk begins to
  // count.
  void adopt(const std::string& name);
  std::vector<GuestCopy> copies() const;
  // Every copy that can runs for some steps. The first thing that is wrong, or nothing.
  std::string let_run();
  // Whether a copy ran there since adopt().
  bool ran_on(char host) const { return host == 'a' ? ran_on_a_ : ran_on_b_; }
  // How far its disk has come: more than before if a copy has run.
  uint64_t steps() const { return disk_; }
  void unpause(const GuestCopy& copy) const;
  void destroy(const GuestCopy& copy) const;

 private:
  std::string path(char host) const { return folder_ + "/" + host + ".host"; }
  std::string run_copy(const GuestCopy& copy);

  std::string folder_;
  std::array<uint8_t, 16> uuid_{};
  uint64_t disk_ = 0;
  bool ran_on_a_ = false, ran_on_b_ = false;
};

}  // namespace ferry::pairs
