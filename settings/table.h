// Every setting of ferry, a row each: the only place that says its name, its range, its default and
// what it is for. Options, ferry.conf, environment, control socket and the table in docs/host.md
// are made of these rows.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ferry {

enum class Kind {
  number,  // lowest to highest
  choice,  // one of choices
  text,    // lowest to highest bytes: a path, a program, an address
  names,   // the same, with commas or blanks between the names
};

// Whose it is.
enum class User {
  save,      // every save, xl's too
  live,      // every live save and migration, xl's too
  migrate,   // ferry migrate
  evacuate,  // ferry evacuate
  receive,   // ferry receive
  host,      // all programs: where things are on this host (place())
  helper,    // not an operator's: what ferry-host hands to the save helper that it starts
};

// The commands whose option a setting is.
enum Commands : unsigned {
  kNoCommand = 0,
  kSave = 1,       // ferry save
  kMigrate = 2,    // ferry migrate
  kEstimate = 4,   // ferry estimate
  kJobSet = 8,     // ferry job set: it can be changed while the save runs
  kReceive = 16,   // ferry receive
  kEvacuate = 32,  // ferry evacuate
};

struct Setting {
  std::string_view name;  // in ferry.conf and at the control socket
  User user = User::save;
  Kind kind = Kind::number;
  std::string_view unit = {};  // of a number
  std::string_view word = {};  // that can stand for a number: ferry chooses one
  uint64_t lowest = 0, highest = 0;
  std::array<std::string_view, 4> choices = {};
  std::string_view standard = {};   // the value where none is given; empty: there is none
  std::string_view otherwise = {};  // what happens then, or what the default means, for people
  std::string_view help = {};       // one line
  unsigned commands = kNoCommand;
  std::string_view option = {};  // where it is not the name
};

inline constexpr uint64_t kLongestPath = 4095;
inline constexpr uint64_t kLongestSocketPath = 107;
inline constexpr uint64_t kHighestDescriptor = 1 << 20;

// clang-format off
inline constexpr Setting kSettings[] = {
    {.name = "threads", .lowest = 1, .highest = 256, .otherwise = "half of dom0's CPUs",
     .help = "threads beside the one that talks to Xen, at low priority",
     .commands = kSave | kMigrate | kEvacuate},
    {.name = "level", .word = "auto", .lowest = 0, .highest = 19, .standard = "2",
     .help = "zstd level, 0 for no compression, auto for as much as the way to the image leaves time for",
     .commands = kSave | kMigrate | kEvacuate},
    {.name = "stream", .kind = Kind::choice, .choices = {"ferry", "libxc"}, .standard = "ferry",
     .help = "with libxc, xl save and xl migrate write Xen's own format, for a receiver with the stock helper"},
    {.name = "engine", .kind = Kind::choice, .choices = {"ferry", "stock"}, .standard = "ferry",
     .help = "with stock, xl, libvirt and xendomains save, restore and migrate by Xen's own helper"},
    {.name = "track", .user = User::live, .kind = Kind::choice, .choices = {"auto", "logdirty", "content"},
     .standard = "auto", .help = "how to know what changed",
     .commands = kSave | kMigrate | kEvacuate},
    {.name = "max_downtime", .user = User::live, .unit = "milliseconds", .lowest = 1, .highest = 3'600'000,
     .standard = "300", .help = "what the memory may take while the guest is suspended",
     .commands = kSave | kMigrate | kEvacuate | kEstimate | kJobSet},
    {.name = "max_rounds", .user = User::live, .lowest = 1, .highest = 10'000, .standard = "30",
     .help = "passes over the memory before the last",
     .commands = kSave | kMigrate | kEvacuate | kEstimate},
    {.name = "deadline", .user = User::live, .unit = "seconds", .lowest = 0, .highest = 1'000'000, .standard = "0",
     .otherwise = "no limit", .help = "what all of it may take",
     .commands = kSave | kMigrate | kEvacuate},
    {.name = "on_stall", .user = User::live, .kind = Kind::choice, .choices = {"stop", "continue", "cancel"},
     .standard = "stop",
     .help = "when the guest writes too fast: stop it all the same, continue until the deadline, or cancel",
     .commands = kSave | kMigrate | kEvacuate},
    {.name = "bandwidth", .user = User::live, .unit = "MiB a second", .lowest = 0, .highest = 1 << 24, .standard = "0",
     .otherwise = "no limit", .help = "of image, while the guest runs",
     .commands = kSave | kMigrate | kEvacuate | kEstimate | kJobSet},
    {.name = "control", .user = User::live, .kind = Kind::text, .lowest = 1, .highest = kLongestSocketPath,
     .otherwise = "domain-N.control in run_dir", .help = "path of the socket to watch and steer the save through"},
    {.name = "streams", .user = User::migrate, .lowest = 1, .highest = 16, .standard = "1",
     .help = "connections at once, where one CPU cannot encrypt fast enough",
     .commands = kMigrate | kEvacuate},
    {.name = "handover_timeout", .user = User::migrate, .unit = "seconds", .lowest = 1, .highest = 86'400,
     .standard = "30",
     .help = "while the guest is suspended, how long the other host may make no progress until the guest runs on here"},
    {.name = "handover_limit", .user = User::migrate, .unit = "seconds", .lowest = 0, .highest = 86'400,
     .standard = "0", .otherwise = "no limit", .help = "from the guest's suspension until it is given away"},
    {.name = "evacuate_to", .user = User::evacuate, .kind = Kind::names, .lowest = 1, .highest = 65'535,
     .otherwise = "none", .help = "hosts that the guests go to, as in ferry migrate",
     .commands = kEvacuate, .option = "--to"},
    {.name = "evacuate_parallel", .user = User::evacuate, .lowest = 1, .highest = 16, .standard = "2",
     .help = "guests under way at once: the next one's memory is sent while one is handed over",
     .commands = kEvacuate, .option = "--parallel"},
    {.name = "listen", .user = User::receive, .kind = Kind::text, .lowest = 1, .highest = 300, .standard = ":8002",
     .otherwise = "unless systemd opened a socket", .help = "where: HOST, HOST:PORT or :PORT",
     .commands = kReceive},
    {.name = "receive_from", .user = User::receive, .kind = Kind::names, .lowest = 1, .highest = 65'535,
     .otherwise = "all hosts that tls_ca vouches for",
     .help = "names of hosts to take guests from, as their certificates have them",
     .commands = kReceive, .option = "--allow"},
    {.name = "trust_config_from", .user = User::receive, .kind = Kind::names, .lowest = 1, .highest = 65'535,
     .otherwise = "none",
     .help = "names of hosts whose guests may be configured as they like: programs, files and devices of this host",
     .commands = kReceive},
    {.name = "migration_network", .user = User::host, .kind = Kind::text, .lowest = 1, .highest = 64,
     .otherwise = "any",
     .help = "addresses that other hosts are called at, such as 192.0.2.0/24: their names have to have one there"},
    {.name = "tls_ca", .user = User::host, .kind = Kind::text, .lowest = 1, .highest = kLongestPath,
     .standard = "/etc/ferry/tls/ca.pem", .help = "the authority that vouches for hosts, a PEM file"},
    {.name = "tls_cert", .user = User::host, .kind = Kind::text, .lowest = 1, .highest = kLongestPath,
     .standard = "/etc/ferry/tls/cert.pem", .help = "this host's certificate"},
    {.name = "tls_key", .user = User::host, .kind = Kind::text, .lowest = 1, .highest = kLongestPath,
     .standard = "/etc/ferry/tls/key.pem", .help = "its key, for its owner alone"},
    {.name = "tls_crl", .user = User::host, .kind = Kind::text, .lowest = 1, .highest = kLongestPath,
     .otherwise = "none", .help = "a PEM file of certificates that were revoked, read anew for each job"},
    {.name = "stock_helper", .user = User::host, .kind = Kind::text, .lowest = 1, .highest = kLongestPath,
     .otherwise = "libxl-save-helper of the Xen that ferry was built for",
     .help = "Xen's own save helper, for what ferry leaves to it"},
    {.name = "save_helper", .user = User::host, .kind = Kind::text, .lowest = 1, .highest = kLongestPath,
     .otherwise = "ferry-save-helper of this installation", .help = "the helper that ferry itself starts"},
    {.name = "xl", .user = User::host, .kind = Kind::text, .lowest = 1, .highest = kLongestPath, .standard = "xl",
     .otherwise = "from the PATH", .help = "the xl to run"},
    {.name = "run_dir", .user = User::host, .kind = Kind::text, .lowest = 1, .highest = kLongestPath,
     .standard = "/run/ferry", .help = "locks, notes and sockets"},
    {.name = "state_dir", .user = User::host, .kind = Kind::text, .lowest = 1, .highest = kLongestPath,
     .standard = "/var/lib/ferry/jobs", .help = "journals of migrations, and the key of this host's marks"},
    {.name = "metrics_dir", .user = User::host, .kind = Kind::text, .lowest = 1, .highest = kLongestPath,
     .standard = "/var/lib/prometheus/node-exporter", .otherwise = "if there is such a folder",
     .help = "where node_exporter finds what was done here (metrics.md); none: nowhere"},
    {.name = "kernel_folders", .user = User::host, .kind = Kind::names, .lowest = 1, .highest = 65'535,
     .standard = "/boot,/var/lib/xen,/srv,/usr/lib/xen,/usr/lib/grub-xen,/usr/lib/xen-common",
     .help = "where kernels and ramdisks of guests may lie that somebody else configured"},
    {.name = "disk_folders", .user = User::host, .kind = Kind::names, .lowest = 1, .highest = 65'535,
     .standard = "/dev,/var/lib/xen,/srv",
     .help = "the same of disks; a beginning such as /dev/dm-* too"},
    {.name = "script_folder", .user = User::host, .kind = Kind::text, .lowest = 1, .highest = kLongestPath,
     .standard = "/etc/xen/scripts", .help = "Xen's hotplug scripts, root's own"},
    {.name = "sandbox", .user = User::host, .kind = Kind::choice, .choices = {"yes", "no"}, .standard = "yes",
     .help = "whether what reads an image to restore has no rights; no is for finding faults"},
    {.name = "events_fd", .user = User::helper, .lowest = 1, .highest = kHighestDescriptor,
     .otherwise = "nobody gets it", .help = "descriptor that gets progress, a line of JSON at a time",
     .commands = kSave | kMigrate, .option = "--events"},
    {.name = "lock_fd", .user = User::helper, .lowest = 3, .highest = kHighestDescriptor,
     .otherwise = "the helper takes the lock itself", .help = "descriptor of the domain's lock, held by whoever says so"},
    {.name = "config_fd", .user = User::helper, .lowest = 3, .highest = kHighestDescriptor,
     .otherwise = "the image has none", .help = "descriptor of a serialised ferry.v1.Config"},
    {.name = "base_fd", .user = User::helper, .lowest = 3, .highest = kHighestDescriptor,
     .otherwise = "the image is no delta", .help = "descriptor of what the base of a delta says of its pages"},
    {.name = "page_hashes_fd", .user = User::helper, .lowest = 3, .highest = kHighestDescriptor,
     .otherwise = "nobody gets them", .help = "descriptor of memory that gets what the image says of each page"},
    {.name = "order", .user = User::helper, .kind = Kind::choice, .choices = {"save", "migrate", "restore"},
     .otherwise = "it is xl's own", .help = "the command of ferry that the helper works for"},
};
// clang-format on

// Nothing if there is no such setting.
const Setting* find_setting(std::string_view name);

// FERRY_MAX_DOWNTIME and --max-downtime of max_downtime.
std::string variable_of(const Setting& setting);
std::string option_of(const Setting& setting);

std::span<const std::string_view> choices_of(const Setting& setting);

// "a number from 1 to 256", "one of ferry, libxc", …
std::string range_of(const Setting& setting);
// "300", "0, no limit", "half of dom0's CPUs".
std::string default_of(const Setting& setting);
// For --help: what it is, its range, its default.
std::string help_of(const Setting& setting);

// The names in a text of names.
std::vector<std::string> names_in(std::string_view text);

// Throws Error(usage) if the text is no value of the setting. place: what it is called where it was
// given, such as "FERRY_LEVEL"; everywhere else the sentence is the same.
void check_value(const Setting& setting, std::string_view text, std::string_view place);

}  // namespace ferry
