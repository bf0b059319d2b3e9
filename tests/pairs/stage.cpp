// Where a pair meets.
#include "tests/pairs/stage.h"

#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace ferry::pairs {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr auto kLongest = 60s;  // of a command that nobody disturbs
constexpr char kWeb[] = "web1", kAnother[] = "db1";

void must(bool good, const std::string& what) {
  if (!good) throw std::runtime_error("the stage cannot be set: " + what);
}

// A host's file is mostly holes.
void copy_sparse(const fs::path& from, const fs::path& to) {
  const int in = open(from.c_str(), O_RDONLY | O_CLOEXEC);
  const int out = open(to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  struct stat status = {};
  bool good = in >= 0 && out >= 0 && fstat(in, &status) == 0 && ftruncate(out, status.st_size) == 0;
  for (off_t at = 0; good;) {
    off_t data = lseek(in, at, SEEK_DATA);
    if (data < 0) break;
    at = lseek(in, data, SEEK_HOLE);
    good = lseek(out, data, SEEK_SET) == data;
    while (good && data < at) good = sendfile(out, in, &data, static_cast<size_t>(at - data)) > 0;
  }
  close(in);
  close(out);
  must(good, "copying " + from.string());
}

void copy_world(const fs::path& from, const fs::path& to) {
  fs::remove_all(to);
  fs::create_directory(to);
  for (const auto& entry : fs::recursive_directory_iterator(from)) {
    const fs::path target = to / fs::relative(entry.path(), from);
    if (entry.is_directory()) {
      fs::create_directory(target);
      fs::permissions(target, fs::perms::owner_all);
    } else if (entry.is_regular_file()) {
      copy_sparse(entry.path(), target);
    }
  }
}

}  // namespace

std::vector<std::string> lines_of(const std::string& path) {
  std::istringstream text(text_of(path));
  std::vector<std::string> lines;
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  return lines;
}

Stage::Stage() {
  const fs::path memory = "/dev/shm";
  folder_ = (fs::is_directory(memory) ? memory : fs::temp_directory_path()) / "ferry-pairs-XXXXXX";
  must(mkdtemp(folder_.data()), "no folder");
  now_ = folder_ + "/now";
  setenv("FERRY_CONF", "/dev/null", 1);
  for (const char* variable : {"FERRY_SIM_HOST", "FERRY_RUN_DIR", "FERRY_STATE_DIR"})
    unsetenv(variable);
}

Stage::~Stage() {
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

void Stage::set(World which) {
  const Made& made = world(which);
  copy_world(made.folder, now_);
  must(mkfifo(path("held").c_str(), 0600) == 0 && mkfifo(path("go").c_str(), 0600) == 0, "a FIFO");
  guest_ = made.guest;
}

const Stage::Made& Stage::world(World which) {
  if (!worlds_.contains(which)) make(which);
  return worlds_.at(which);
}

void Stage::keep(World which) {
  const std::string kept = fmt::format("{}/world-{}", folder_, static_cast<int>(which));
  for (const char* name : {"held", "go", "points"}) fs::remove(path(name));
  copy_world(now_, kept);
  worlds_.emplace(which, Made{kept, *guest_});
}

void Stage::make_running() {
  fs::create_directory(now_);
  must(ferry('a', {"create", kWeb, "--memory", "2", "--host-memory", "16"}) == 0, "host a");
  must(ferry('b', {"create", "other", "--memory", "2", "--host-memory", "16"}) == 0, "host b");
  fs::create_directory(now_ + "/a.host.run");
  fs::create_directory(now_ + "/b.host.run");
  guest_.emplace(now_);
  guest_->adopt(kWeb);
  const std::string wrong = guest_->let_run();
  must(wrong.empty(), wrong);
}

void Stage::make(World which) {
  if (which == World::running) {
    make_running();
    return keep(which);
  }
  set(World::running);
  std::string said;
  switch (which) {
    case World::paused:
      must(xl({"pause", kWeb}) == 0, "pausing");
      break;
    case World::saved:
      must(ferry('a', {"save", "--quiet", kWeb, path("saved.image")}, &said) == 0, said);
      break;
    case World::based:
      must(ferry('a', {"save", "--quiet", "--keep", kWeb, path("base.image")}, &said) == 0, said);
      must(guest_->let_run().empty(), "a guest that goes on");
      must(ferry('a', {"create", kAnother, "--memory", "2"}, &said) == 0, said);
      break;
    case World::kept:
      must(ferry('a', {"save", "--quiet", "--keep", kWeb, path("older.image")}, &said) == 0, said);
      break;
    case World::rebooted:
      kill_migration(World::ran, World::kept);
      must(guest_->let_run().empty(), "a guest that goes on there");
      reboot();
      break;
    case World::forced:
      kill_migration(World::given_away, World::kept);
      reboot();
      must(ferry('a', {"restore", "--force", path("older.image")}, &said) == 0, said);
      break;
    case World::broken_save: {
      const std::vector<std::string> points = points_of("save");
      const auto asked = std::find(points.begin(), points.end(), "ask the guest to suspend");
      must(asked != points.end(), "a save that suspends its guest");
      set(World::running);
      start(command("save"), "broken", Part::command,
            fmt::format("FERRY_SIM_KILL_AT={}", asked - points.begin() + 2))
          ->wait(kLongest);
      const std::vector<GuestCopy> copies = guest_->copies();
      must(copies.size() == 1 && copies[0].suspended, "a save that is killed");
      break;
    }
    default:
      kill_migration(which, World::running);
  }
  keep(which);
}

std::vector<std::string> Stage::points_of(const std::string& what) {
  auto dry = start(command(what), "broken", Part::command, "FERRY_SIM_POINTS=" + path("points"));
  must(dry->wait(kLongest) && dry->status() == 0, what + ": " + dry->said());
  return lines_of(path("points"));
}

// At its first point after which the guest is where the world wants it.
void Stage::kill_migration(World which, World from) {
  set(from);
  const std::vector<std::string> points = points_of("migrate");
  // It gives the guest away after it has set it aside.
  const char* after = which == World::sending ? "ask the guest to suspend" : "rename the domain";
  for (auto at = std::find(points.begin(), points.end(), after) + 1; at < points.end(); ++at) {
    set(from);
    start(command("migrate"), "broken", Part::command,
          fmt::format("FERRY_SIM_KILL_AT={}", at - points.begin() + 1))
        ->wait(kLongest);
    must(all_gone(20s), "a receiver that stays");
    const std::vector<std::string> jobs = open_jobs();
    if (jobs.empty()) continue;
    const std::string journal = text_of(path("a.host.jobs/" + jobs.front() + ".source"));
    const bool given = journal.find("given-away") != std::string::npos;
    bool ran = false, suspended = false;
    for (const GuestCopy& copy : guest_->copies()) {
      ran |= copy.host == 'b' && copy.runs;
      suspended |= copy.host == 'a' && copy.suspended;
    }
    if (!suspended) continue;
    if (which == World::sending && !given) return;
    if (which == World::given_away && given && !ran) return;
    if (which == World::ran && given && ran) return;
  }
  must(false, "a migration that is broken off");
}

// Host a: its domains are gone, and what was noted for that run of it.
void Stage::reboot() {
  for (const GuestCopy& copy : guest_->copies())
    if (copy.host == 'a') guest_->destroy(copy);
  fs::remove_all(path("a.host.run"));
  fs::create_directory(path("a.host.run"));
}

Scene Stage::scene(const std::string& own) const {
  Scene s;
  s.folder = now_;
  s.own = own;
  s.guest = kWeb;
  s.another = kAnother;
  s.incoming = "web1--incoming";
  for (const GuestCopy& copy : guest_->copies())
    (copy.host == 'a' ? s.guest : s.incoming) = copy.name;
  const std::vector<std::string> jobs = open_jobs();
  s.job = jobs.empty() ? std::string(32, '0') : jobs.front();
  s.image = fs::exists(path("saved.image")) ? path("saved.image") : path("first.image");
  return s;
}

void Stage::write_receiver(const std::string& own, const Points& points) const {
  const std::string setting =
      points ? fmt::format("LD_PRELOAD={} {} ", POINTS_OBJECT, *points) : std::string();
  std::ofstream(path(own + ".receive"))
      << fmt::format("{0}{1} --host {2} receive --stdio 2> {3}.said\necho $? > {3}.status\n",
                     setting, FERRY_SIM, path("b.host"), path(own + ".receive"));
}

std::unique_ptr<Program> Stage::start(const Command& what, const std::string& own, Part part,
                                      const Points& points) {
  Environment environment;
  write_receiver(own, part == Part::receiver ? points : std::nullopt);
  // A job that was broken off calls the receiver that it had then.
  if (own != "broken") write_receiver("broken", part == Part::receiver ? points : std::nullopt);
  if (points && part == Part::command) {
    environment["LD_PRELOAD"] = POINTS_OBJECT;
    environment[points->substr(0, points->find('='))] = points->substr(points->find('=') + 1);
  } else if (points && part == Part::helper) {
    environment["XL_PLAYER_PRELOAD"] = POINTS_OBJECT;
    environment["XL_PLAYER_HELPER"] = *points;
  }
  return std::make_unique<Program>(what.words(scene(own)), environment, path(own + ".said"));
}

int Stage::receiver_status(const std::string& own) const {
  const std::string text = text_of(path(own + ".receive.status"));
  return text.empty() ? -1 : std::stoi(text);
}

void Stage::free_receivers() {
  for (const char* own : {"first", "second", "broken"})
    if (fs::exists(path(std::string(own) + ".receive"))) write_receiver(own, std::nullopt);
}

int Stage::run(const Words& words, std::string* said) {
  Program program(words, {}, path("operator.said"));
  program.wait(kLongest);
  if (said) *said = program.said();
  return program.status();
}

int Stage::ferry(char host, const Words& words, std::string* said) {
  Words all = {FERRY_SIM, "--host", path(std::string(1, host) + ".host")};
  all.insert(all.end(), words.begin(), words.end());
  return run(all, said);
}

int Stage::xl(const Words& words, std::string* said) {
  Words all = {XL_PLAYER, path("a.host")};
  all.insert(all.end(), words.begin(), words.end());
  return run(all, said);
}

std::vector<std::string> Stage::open_jobs() const {
  std::vector<std::string> jobs;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(path("a.host.jobs"), none)) {
    if (entry.path().extension() != ".source") continue;
    const auto json = nlohmann::json::parse(text_of(entry.path()), nullptr, false);
    const std::string state = json.is_object() ? json.value("state", "") : "";
    if (state != "taken-back" && state != "done") jobs.push_back(entry.path().stem());
  }
  return jobs;
}

}  // namespace ferry::pairs
