// Where a pair meets: two simulated hosts as one of the worlds has them, and the programs on them.
#pragma once

#include <map>
#include <memory>
#include <optional>

#include "tests/pairs/commands.h"
#include "tests/pairs/guest_copies.h"

namespace ferry::pairs {

// What the first program, or a part of it, is told about its points.
using Points = std::optional<std::string>;  // an environment setting: FERRY_SIM_HOLD_AT=…

class Stage {
 public:
  Stage();
  ~Stage();
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;

  // The hosts as that world has them, whatever was there.
  void set(World world);

  std::string path(const std::string& name) const { return now_ + "/" + name; }
  GuestOnDisk& guest() { return *guest_; }
  // own: "first" or "second".
  Scene scene(const std::string& own) const;
  std::unique_ptr<Program> start(const Command& what, const std::string& own, Part part,
                                 const Points& points);
  // Of the receiver that a command has started: its exit status, or -1.
  int receiver_status(const std::string& own) const;
  // ferry-sim on a host, to its end.
  int ferry(char host, const Words& words, std::string* said = nullptr);
  int xl(const Words& words, std::string* said = nullptr);
  // From now on receivers run without points.
  void free_receivers();
  std::vector<std::string> open_jobs() const;  // of which host a is the source

 private:
  struct Made {
    std::string folder;
    GuestOnDisk guest;
  };

  const Made& world(World which);
  void make(World which);
  void make_running();
  void kill_migration(World which, World from);
  void reboot();
  void keep(World which);
  std::vector<std::string> points_of(const std::string& what);
  void write_receiver(const std::string& own, const Points& points) const;
  int run(const Words& words, std::string* said);

  std::string folder_, now_;
  std::map<World, Made> worlds_;
  std::optional<GuestOnDisk> guest_;
};

// The points of a program as FERRY_SIM_POINTS has written them.
std::vector<std::string> lines_of(const std::string& path);

}  // namespace ferry::pairs
