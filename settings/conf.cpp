// Settings from a file.
#include "settings/conf.h"

#include <cerrno>
#include <cstdlib>
#include <fstream>

#include "error/error.h"
#include "settings/environment.h"

namespace ferry {
namespace {

constexpr char kUsualPath[] = "/etc/ferry/ferry.conf";

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r";
  const size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

// One line after the other, which is named in what is wrong with it.
class Conf {
 public:
  explicit Conf(const std::string& path) : path_(path) {}

  void take(std::string_view line) {
    ++number_;
    line = trimmed(line);
    if (line.empty() || line.front() == '#') return;
    const size_t equals = line.find('=');
    if (equals == std::string_view::npos) fail_here("is no setting: NAME = VALUE");
    const Setting& setting = named(trimmed(line.substr(0, equals)));
    settings_.set(setting, value_in(trimmed(line.substr(equals + 1))),
                  fmt::format("{}, line {}, {}", path_, number_, setting.name));
  }

  const Settings& settings() const { return settings_; }

 private:
  [[noreturn]] void fail_here(std::string_view what) const {
    fail(Errc::usage, "{}, line {}, {}", path_, number_, what);
  }

  const Setting& named(std::string_view name) const {
    const Setting* setting = find_setting(name);
    if (!setting || setting->user == User::helper)
      fail_here(fmt::format("names \"{}\", which is no setting of ferry", name));
    if (settings_.text_of(*setting)) fail_here(fmt::format("gives {} a second time", name));
    return *setting;
  }

  // In quotes, or up to a comment.
  std::string_view value_in(std::string_view text) const {
    if (!text.starts_with('"') && !text.starts_with('\''))
      return trimmed(text.substr(0, text.find('#')));
    const size_t end = text.find(text.front(), 1);
    if (end == std::string_view::npos) fail_here("has a quote that is not closed");
    const std::string_view rest = trimmed(text.substr(end + 1));
    if (!rest.empty() && rest.front() != '#') fail_here("has something behind its quotes");
    return text.substr(1, end - 1);
  }

  const std::string& path_;
  unsigned number_ = 0;
  Settings settings_;
};

}  // namespace

Settings read_conf() {
  const char* named = std::getenv("FERRY_CONF");
  const std::string path = named ? named : kUsualPath;
  std::ifstream file(path);
  if (!file) {
    if (!named && errno == ENOENT) return {};
    fail_errno(Errc::io, errno, fmt::format("cannot read {}", path));
  }
  Conf conf(path);
  for (std::string line; std::getline(file, line);) conf.take(line);
  return conf.settings();
}

Settings read_settings() {
  return settings_of_environment().over(read_conf());
}

}  // namespace ferry
