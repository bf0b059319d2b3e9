// The commands that meet on one guest: ferry's as ferry-sim, xl's as xl_player, and where the first
// of a pair finds the guest.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tests/pairs/programs.h"

namespace ferry::pairs {

// How the guest is when the first command comes.
enum class World {
  running,
  paused,
  broken_save,  // suspended by a ferry save that was killed
  sending,      // suspended by a ferry migrate that was killed before it gave the guest away
  given_away,   // the same, after that and before it said go
  ran,          // the same, and it runs on the other host
  saved,        // only its image is there
  based,        // running, and an earlier image is kept
  kept,         // running, and an image of it is kept as it is
  rebooted,     // as ran, and then host a went down with all its domains; an older image is there
  forced,       // as given_away, and then that; the image was made to run on host a, by force
};

// What a command is told when it starts.
struct Scene {
  std::string folder;    // a.host, b.host and what is beside them
  std::string own;       // "first" or "second": its image and its receiver have that name
  std::string guest;     // the name of the guest on host a
  std::string another;   // another guest there
  std::string incoming;  // and on host b
  std::string job;       // the open migration on host a
  std::string image;     // that a restore takes

  std::string host(char name) const { return folder + "/" + name + ".host"; }
  std::string own_image() const { return folder + "/" + own + ".image"; }
  std::string older() const { return folder + "/older.image"; }
  std::string base() const { return folder + "/base.image"; }
  std::string moved_base() const { return folder + "/moved.image"; }
  std::string receiver() const { return folder + "/" + own + ".receive"; }
};

struct Command {
  std::string name;
  std::function<Words(const Scene&)> words;
  bool of_xl = false;
  bool sends = false;      // it starts a receiver
  bool destroys = false;   // what it does with the guest is destroy it
  bool moves_out = false;  // the guest is gone from this host when it says done: into its image
  bool pauses = false;     // the guest may be paused afterwards
  bool restores = false;
  bool has_base = false;  // it has to do with the earlier image
  bool is_delta = false;  // and builds upon that
  bool is_older = false;  // it restores an older image
};

const std::vector<Command>& commands();
const Command& command(const std::string& name);

// Which process of the first command is held or killed.
enum class Part { command, receiver, helper };

struct First {
  std::string name;
  World world = World::running;
  std::string command;
  Part part = Part::command;
};
const std::vector<First>& firsts();

// Whether it is the operator's own fault when that goes wrong (README.md), or there is no base.
bool is_left_out(const First& first, const Command& second);

}  // namespace ferry::pairs
