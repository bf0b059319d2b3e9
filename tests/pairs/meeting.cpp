// One case of two commands that meet.
#include "tests/pairs/meeting.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <thread>

#include <fmt/format.h>

#include "io/descriptor.h"

namespace ferry::pairs {
namespace {

using namespace std::chrono_literals;

constexpr auto kCome = 30s;   // to its point, or to its end
constexpr auto kAsFar = 2s;   // the second, while the first is held
constexpr auto kEnd = 90s;    // both, once nobody is held: a guest may have a minute to suspend
constexpr int kOperator = 4;  // the exit code that names a command
constexpr char kTry[] = "try: ";

bool exists(const std::string& path) {
  return std::filesystem::exists(path);
}

// When it was changed or got its name; 0 if there is none.
int64_t changed_ns(const std::string& path) {
  struct stat status = {};
  if (stat(path.c_str(), &status) != 0) return 0;
  return int64_t{status.st_ctim.tv_sec} * 1'000'000'000 + status.st_ctim.tv_nsec;
}

// What the program says that the operator has to do.
std::vector<Words> commands_named(const std::string& said) {
  const size_t at = said.rfind(kTry);
  if (at == std::string::npos) return {};
  std::vector<Words> all(1);
  const std::string line =
      said.substr(at + sizeof kTry - 1, said.find('\n', at) - at - sizeof kTry + 1);
  size_t from = 0;
  while (from < line.size()) {
    const size_t to = std::min(line.find(' ', from), line.size());
    const std::string word = line.substr(from, to - from);
    if (word == "&&")
      all.emplace_back();
    else if (!word.empty())
      all.back().push_back(word);
    from = to + 1;
  }
  return all;
}

class Meeting {
 public:
  Meeting(Stage& stage, const First& first, const Command& second, bool kill)
      : stage_(stage), first_(first), commands_{command(first.command), second}, kill_(kill) {}

  Outcome run(unsigned point) {
    stage_.set(first_.world);
    steps_ = stage_.guest().steps();
    come_to(point);
    if (outcome_.wrong.empty()) second_comes();
    if (outcome_.wrong.empty()) finish();
    if (outcome_.wrong.empty()) outcome_.wrong = judge();
    tell_history();
    // Without xenstore a helper that outlives its xl waits a minute for a guest that may suspend
    // yet.
    const bool helper_waits = killed(0) && commands_[0].of_xl;
    programs_[0].reset();
    programs_[1].reset();
    if (!all_gone(helper_waits ? 0s : 5s) && !helper_waits) fail("a process has stayed behind");
    return outcome_;
  }

 private:
  // The first is held, or it ended; killed, that is.
  void come_to(unsigned point) {
    held_.reset(open(stage_.path("held").c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
    go_.reset(open(stage_.path("go").c_str(), O_RDWR | O_CLOEXEC));
    const std::string setting = fmt::format("FERRY_SIM_HOLD_AT={},{}", point,
                                            stage_.path("").substr(0, stage_.path("").size() - 1));
    programs_[0] = stage_.start(commands_[0], "first", first_.part, setting);
    const auto until = std::chrono::steady_clock::now() + kCome;
    while (!programs_[0]->ended()) {
      pollfd held = {held_.get(), POLLIN, 0};
      if (poll(&held, 1, 1) > 0) break;
      if (std::chrono::steady_clock::now() > until) return fail("the first hangs by itself");
    }
    char text[256];
    const ssize_t n = read(held_.get(), text, sizeof text);
    if (n > 0) outcome_.point.assign(text, static_cast<size_t>(n) - 1);
    is_held_ = n > 0;
    let_guest_run("while the first is held");
  }

  void second_comes() {
    const int64_t before = changed_ns(stage_.path("base.image"));
    const bool claimed = !stage_.open_jobs().empty();
    programs_[1] = stage_.start(commands_[1], "second", Part::command, {});
    programs_[1]->wait_until_idle(kAsFar);
    if (commands_[1].is_older && !claimed) take_older_away();
    base_went_meanwhile_ = is_held_ && before != changed_ns(stage_.path("base.image"));
    let_guest_run("after the second came");
  }

  // No job says any more that the guest is elsewhere: only the operator knows that this is not it.
  void take_older_away() {
    for (const GuestCopy& copy : stage_.guest().copies())
      if (copy.host == 'a') stage_.guest().destroy(copy);
  }

  // The first goes on, or dies; then both come to their ends.
  void finish() {
    const bool claimed = !stage_.open_jobs().empty();
    if (is_held_) {
      const char byte = kill_ ? 2 : 1;
      if (write(go_.get(), &byte, 1) != 1) return fail("the first cannot go on");
    }
    if (!programs_[0]->wait(kEnd)) return fail("the first never ends");
    if (commands_[0].is_older && !claimed) take_older_away();
    go_.reset();
    held_.reset();
    stage_.free_receivers();
    programs_[1]->wait_until_idle(kEnd);
    let_guest_run("once nobody is held");
    if (outcome_.wrong.empty()) do_what_was_named();
    if (outcome_.wrong.empty() && ((kill_ && is_held_) || killed(1) || killed(0)))
      clear_up_after_kill();
    if (outcome_.wrong.empty() && !programs_[1]->wait(kEnd)) fail("the second never ends");
  }

  void fail(const std::string& sentence) {
    if (outcome_.wrong.empty()) outcome_.wrong = sentence;
  }

  void let_guest_run(const char* when) {
    const std::string wrong = stage_.guest().let_run();
    if (!wrong.empty()) fail(wrong + ", " + when);
  }

  void do_what_was_named() {
    for (const char* own : {"first", "second"}) {
      const Program& program = *programs_[own == std::string("second")];
      if (program.status() == kOperator) obey(program.said(), 'a');
      for (const char* receiver : {own, "broken"})
        if (stage_.receiver_status(receiver) == kOperator)
          obey(text_of(stage_.path(receiver + std::string(".receive.said"))), 'b');
    }
  }

  void obey(const std::string& sentence, char host) {
    if (sentence.find("on the source") != std::string::npos) host = 'a';
    for (const Words& words : commands_named(sentence)) {
      // The operator has looked, as the sentence says, whether it ran there; and knows whether it
      // was a guest that ran here again which was destroyed.
      const bool forced = std::find(words.begin(), words.end(), "--force") != words.end();
      const bool ran_again = first_.world == World::forced && took_part(&Command::destroys);
      if (forced && (ran_again || stage_.guest().ran_on('b'))) continue;
      std::string said;
      const Words rest(words.begin() + 1, words.end());
      const int status =
          words[0] == "xl" ? stage_.xl(rest, &said) : stage_.ferry(host, rest, &said);
      note(fmt::format("named: {}", fmt::join(words, " ")), status, said);
      let_guest_run("after the command that was named");
    }
  }

  bool runs_somewhere() {
    for (const GuestCopy& copy : stage_.guest().copies())
      if (copy.runs) return true;
    return false;
  }

  // What the operator finds in the documents for a command that was killed.
  void clear_up_after_kill() {
    for (const std::string& job : stage_.open_jobs()) operator_runs({"job", "resume", job});
    for (const GuestCopy& copy : stage_.guest().copies())
      if (copy.host == 'a' && copy.suspended && !runs_somewhere())
        operator_runs({"resume", copy.name});
  }

  // Somebody who reads that another one has the guest tries again: what was killed may not be gone
  // yet.
  void operator_runs(const Words& words) {
    std::string said;
    int status = stage_.ferry('a', words, &said);
    for (int again = 0; again < 20 && said.find("in other hands") != std::string::npos; ++again) {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      status = stage_.ferry('a', words, &said);
    }
    note(fmt::format("operator: {}", fmt::join(words, " ")), status, said);
    if (status == kOperator) obey(said, 'a');
    let_guest_run("after the operator's command");
  }

  bool took_part(bool Command::*what) const { return commands_[0].*what || commands_[1].*what; }
  bool may_be_paused() const {
    return took_part(&Command::pauses) || first_.world == World::paused;
  }
  // The command itself, by us or with a signal by the other; not only its receiver or its helper.
  bool killed(int which) const { return programs_[which]->status() > 128; }

  // The image of a command that has said that the guest is in it, or was killed and may have been
  // about to.
  std::string image_of(bool killed_ones) const {
    for (int which : {0, 1}) {
      const bool good = killed_ones ? killed(which) : programs_[which]->status() == 0;
      const std::string image = stage_.path(which ? "second.image" : "first.image");
      if (commands_[which].moves_out && good && exists(image)) return image;
    }
    return "";
  }

  std::string judge() {
    std::vector<GuestCopy> running, paused, suspended;
    for (const GuestCopy& copy : stage_.guest().copies())
      (copy.runs ? running : copy.suspended ? suspended : paused).push_back(copy);
    if (running.size() > 1) return "two copies of the guest run";
    if (running.size() == 1) {
      if (!image_of(false).empty() && !took_part(&Command::restores))
        return "a command says that the guest is in its image, and it runs";
      return stage_.guest().let_run();
    }
    if (const std::string image = image_of(false); !image.empty()) return restore(image);
    // Its restore may have been broken off once it ran: then it is in that copy and not in its
    // image.
    const bool ran = stage_.guest().steps() != steps_;
    if (first_.world == World::saved && !ran) return restore(stage_.path("saved.image"));
    // xl leaves nothing to go by: the operator sees one copy, suspended, and none elsewhere.
    if (!suspended.empty() && commands_[0].of_xl && killed(0)) {
      operator_runs({"resume", "--force", suspended.front().name});
      if (!outcome_.wrong.empty()) return outcome_.wrong;
      if (may_be_paused()) stage_.guest().unpause(suspended.front());
      return runs_somewhere() ? "" : "the guest cannot be resumed";
    }
    std::erase_if(paused, [](const GuestCopy& copy) { return !copy.complete; });
    if (!paused.empty() && may_be_paused()) {
      stage_.guest().unpause(paused.front());
      return stage_.guest().let_run();
    }
    if (const std::string image = image_of(true); !image.empty() && restore(image).empty())
      return "";
    if (took_part(&Command::destroys)) return "";
    return "no copy of the guest can run";
  }

  // Whoever writes another image over the one that a delta builds upon, when that has been saved,
  // has lost it, as with any image. As long as it is being saved nobody can.
  bool base_went_later(const std::string& image) const {
    const bool second = image == stage_.path("second.image");
    return commands_[second].is_delta && !base_went_meanwhile_ &&
           changed_ns(stage_.path("base.image")) > changed_ns(image);
  }

  Words how_to_restore(const std::string& image) const {
    Words words = {"restore", image};
    const bool second = image == stage_.path("second.image");
    if (!commands_[second].is_delta) return words;
    const std::string moved = stage_.path("moved.image");
    words.insert(words.end(), {"--base", exists(moved) ? moved : stage_.path("base.image")});
    return words;
  }

  std::string restore(const std::string& image) {
    for (const GuestCopy& copy : stage_.guest().copies()) stage_.guest().destroy(copy);
    std::string said;
    const bool xls = exists(image + ".config");
    const int status = xls ? stage_.xl({"restore", "web1", image}, &said)
                           : stage_.ferry('a', how_to_restore(image), &said);
    note("operator: restore " + image, status, said);
    if (status != 0)
      return base_went_later(image) ? "" : "the guest is in an image that cannot be restored";
    // One that was paused when it was saved waits as it did then.
    for (const GuestCopy& copy : stage_.guest().copies())
      if (may_be_paused() && copy.complete && !copy.runs) stage_.guest().unpause(copy);
    const std::string wrong = stage_.guest().let_run();
    return !wrong.empty() ? wrong : runs_somewhere() ? "" : "the restored guest does not run";
  }

  void note(const std::string& who, int status, const std::string& said) {
    outcome_.history += fmt::format("  {} ended with {}: {}\n", who, status, said);
  }

  void tell_history() {
    std::string all;
    for (int which : {0, 1}) {
      if (!programs_[which]) continue;
      const std::string own = which ? "second" : "first";
      all += fmt::format("  {} ({}) ended with {}: {}\n", own, commands_[which].name,
                         programs_[which]->status(), programs_[which]->said());
    }
    for (const char* own : {"first", "second", "broken"})
      if (const int status = stage_.receiver_status(own); status >= 0)
        all += fmt::format("  receiver of {} ended with {}: {}\n", own, status,
                           text_of(stage_.path(own + std::string(".receive.said"))));
    all += outcome_.history;
    for (const GuestCopy& c : stage_.guest().copies())
      all += fmt::format("  host {}: domain {} ({}), {}\n", c.host, c.domid, c.name,
                         c.runs        ? "running"
                         : c.suspended ? "suspended"
                         : c.complete  ? "paused"
                                       : "half made");
    outcome_.history = all;
  }

  Stage& stage_;
  const First& first_;
  const Command commands_[2];
  const bool kill_;
  uint64_t steps_ = 0;  // of its disk, before anything happens
  bool is_held_ = false;
  bool base_went_meanwhile_ = false;  // while the first was held
  Descriptor held_, go_;
  std::unique_ptr<Program> programs_[2];
  Outcome outcome_;
};

}  // namespace

Outcome meet(Stage& stage, const First& first, const Command& second, unsigned point, bool kill) {
  return Meeting(stage, first, second, kill).run(point);
}

unsigned count_points(Stage& stage, const First& first) {
  stage.set(first.world);
  const auto program = stage.start(command(first.command), "first", first.part,
                                   "FERRY_SIM_POINTS=" + stage.path("points"));
  program->wait(kEnd);
  all_gone(5s);
  return static_cast<unsigned>(lines_of(stage.path("points")).size());
}

}  // namespace ferry::pairs
