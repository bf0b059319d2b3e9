// The commands that meet on one guest.
#include "tests/pairs/commands.h"

#include <algorithm>
#include <stdexcept>

namespace ferry::pairs {
namespace {

Words ferry_on(const Scene& scene, char host, Words more) {
  Words all = {FERRY_SIM, "--host", scene.host(host)};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

Words xl_on(const Scene& scene, char host, Words more) {
  Words all = {XL_PLAYER, scene.host(host)};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

Words save(const Scene& s, Words more) {
  Words all = {"save", "--quiet", "--threads", "1", s.guest, s.own_image()};
  all.insert(all.end(), more.begin(), more.end());
  return ferry_on(s, 'a', all);
}

Command ferrys(std::string name, std::function<Words(const Scene&)> words) {
  Command c;
  c.name = std::move(name);
  c.words = std::move(words);
  return c;
}

Command xls(std::string name, std::function<Words(const Scene&)> words) {
  Command c = ferrys(std::move(name), std::move(words));
  c.of_xl = true;
  return c;
}

std::vector<Command> ferrys_commands() {
  std::vector<Command> all = {
      ferrys("save", [](const Scene& s) { return save(s, {}); }),
      ferrys("save_keep", [](const Scene& s) { return save(s, {"--keep"}); }),
      ferrys("save_pause", [](const Scene& s) { return save(s, {"--pause"}); }),
      ferrys("migrate",
             [](const Scene& s) {
               return ferry_on(s, 'a',
                               {"migrate", "--quiet", "--threads", "1", s.guest, "--via",
                                "sh " + s.receiver()});
             }),
      ferrys("resume",
             [](const Scene& s) {
               return ferry_on(s, 'a', {"resume", s.guest});
             }),
      ferrys("job_abort",
             [](const Scene& s) {
               return ferry_on(s, 'a', {"job", "abort", s.job});
             }),
      ferrys("job_resume",
             [](const Scene& s) {
               return ferry_on(s, 'a', {"job", "resume", s.job});
             }),
      ferrys("job_cancel",
             [](const Scene& s) {
               return ferry_on(s, 'a', {"job", "cancel", s.job});
             }),
      ferrys("restore",
             [](const Scene& s) {
               return ferry_on(s, 'a', {"restore", s.image});
             }),
      ferrys("restore_older",
             [](const Scene& s) {
               return ferry_on(s, 'a', {"restore", s.older()});
             }),
  };
  all[0].moves_out = true;
  all[2].pauses = true;
  all[3].sends = true;
  all[8].restores = true;
  all[9].is_older = true;
  return all;
}

// What is saved builds upon an earlier image, which others write anew or take away.
std::vector<Command> commands_with_base() {
  std::vector<Command> all = {
      ferrys("save_delta",
             [](const Scene& s) {
               return save(s, {"--base", s.base()});
             }),
      ferrys("save_another_over_base",
             [](const Scene& s) {
               return ferry_on(
                   s, 'a', {"save", "--quiet", "--threads", "1", "--keep", s.another, s.base()});
             }),
      ferrys("move_base",
             [](const Scene& s) {
               return Words{"mv", s.base(), s.moved_base()};
             }),
  };
  for (Command& c : all) c.has_base = true;
  all[0].moves_out = all[0].is_delta = true;
  return all;
}

std::vector<Command> xls_commands() {
  std::vector<Command> all = {
      xls("xl_save",
          [](const Scene& s) {
            return xl_on(s, 'a', {"save", s.guest, s.own_image()});
          }),
      xls("xl_save_c",
          [](const Scene& s) {
            return xl_on(s, 'a', {"checkpoint", s.guest, s.own_image()});
          }),
      xls("xl_migrate",
          [](const Scene& s) {
            return xl_on(s, 'a', {"migrate", s.guest, s.host('b')});
          }),
      xls("xl_destroy",
          [](const Scene& s) {
            return xl_on(s, 'a', {"destroy", s.guest});
          }),
      xls("xl_rename",
          [](const Scene& s) {
            return xl_on(s, 'a', {"rename", s.guest, "moon"});
          }),
      xls("xl_pause",
          [](const Scene& s) {
            return xl_on(s, 'a', {"pause", s.guest});
          }),
      xls("xl_unpause",
          [](const Scene& s) {
            return xl_on(s, 'a', {"unpause", s.guest});
          }),
      xls("xl_destroy_there",
          [](const Scene& s) {
            return xl_on(s, 'b', {"destroy", s.incoming});
          }),
      xls("xl_rename_there",
          [](const Scene& s) {
            return xl_on(s, 'b', {"rename", s.incoming, "moon"});
          }),
      xls("xl_pause_there",
          [](const Scene& s) {
            return xl_on(s, 'b', {"pause", s.incoming});
          }),
  };
  all[0].moves_out = true;
  all[3].destroys = all[7].destroys = true;
  all[5].pauses = all[9].pauses = true;
  return all;
}

}  // namespace

const std::vector<Command>& commands() {
  static const std::vector<Command> all = [] {
    std::vector<Command> both = ferrys_commands();
    for (Command& c : xls_commands()) both.push_back(std::move(c));
    for (Command& c : commands_with_base()) both.push_back(std::move(c));
    return both;
  }();
  return all;
}

const Command& command(const std::string& name) {
  const auto found = std::find_if(commands().begin(), commands().end(),
                                  [&](const Command& c) { return c.name == name; });
  if (found == commands().end()) throw std::logic_error("there is no command " + name);
  return *found;
}

const std::vector<First>& firsts() {
  static const std::vector<First> all = {
      {"save", World::running, "save"},
      {"save_keep", World::running, "save_keep"},
      {"save_pause", World::running, "save_pause"},
      {"migrate", World::running, "migrate"},
      {"receive", World::running, "migrate", Part::receiver},
      {"resume_after_broken_save", World::broken_save, "resume"},
      {"resume_after_broken_migration", World::sending, "resume"},
      {"job_abort_of_sending", World::sending, "job_abort"},
      {"job_resume_of_sending", World::sending, "job_resume"},
      {"job_abort_of_given_away", World::given_away, "job_abort"},
      {"job_resume_of_given_away", World::given_away, "job_resume"},
      {"receive_abort_of_given_away", World::given_away, "job_abort", Part::receiver},
      {"receive_resume_of_given_away", World::given_away, "job_resume", Part::receiver},
      {"job_abort_of_ran", World::ran, "job_abort"},
      {"job_resume_of_ran", World::ran, "job_resume"},
      {"receive_resume_of_ran", World::ran, "job_resume", Part::receiver},
      {"restore", World::saved, "restore"},
      {"job_abort_of_rebooted", World::rebooted, "job_abort"},
      {"job_resume_of_rebooted", World::rebooted, "job_resume"},
      {"restore_older", World::rebooted, "restore_older"},
      {"save_of_forced", World::forced, "save"},
      {"job_abort_of_forced", World::forced, "job_abort"},
      {"job_resume_of_forced", World::forced, "job_resume"},
      {"save_delta", World::based, "save_delta"},
      {"save_another_over_base", World::based, "save_another_over_base"},
      {"xl_save", World::running, "xl_save"},
      {"xl_save_helper", World::running, "xl_save", Part::helper},
      {"xl_save_c", World::running, "xl_save_c"},
      {"xl_save_c_helper", World::running, "xl_save_c", Part::helper},
      {"xl_migrate", World::running, "xl_migrate"},
      {"xl_migrate_helper", World::running, "xl_migrate", Part::helper},
      {"xl_destroy", World::running, "xl_destroy"},
      {"xl_rename", World::running, "xl_rename"},
      {"xl_pause", World::running, "xl_pause"},
      {"xl_unpause", World::paused, "xl_unpause"},
  };
  return all;
}

bool is_left_out(const First& first, const Command& second) {
  if (second.has_base && first.world != World::based) return true;
  if (second.is_older && first.world != World::rebooted) return true;
  return first.world == World::saved && second.name == "xl_unpause";
}

}  // namespace ferry::pairs
