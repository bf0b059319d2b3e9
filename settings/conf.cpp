// Settings from a file.
#include "settings/conf.h"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <fstream>

#include "error/error.h"

namespace ferry {
namespace {

constexpr char kUsualPath[] = "/etc/ferry/ferry.conf";

constexpr std::string_view kNames[] = {
    "bandwidth",    "control",      "deadline", "level",        "listen",
    "max_downtime", "max_rounds",   "on_stall", "receive_from", "run_dir",
    "state_dir",    "stock_helper", "stream",   "streams",      "threads",
    "tls_ca",       "tls_cert",     "tls_crl", "tls_key",  "track",        "xl",
};

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r";
  const size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

struct Setting {
  std::string_view name, value;
};

// name = value, the value in quotes or up to a comment. Throws a sentence without its place.
Setting parse(std::string_view line) {
  const size_t equals = line.find('=');
  if (equals == std::string_view::npos) throw std::string("is no setting: NAME = VALUE");
  Setting setting{trimmed(line.substr(0, equals)), trimmed(line.substr(equals + 1))};
  if (std::find(std::begin(kNames), std::end(kNames), setting.name) == std::end(kNames))
    throw fmt::format("names \"{}\", which is no setting of ferry", setting.name);
  std::string_view& value = setting.value;
  if (value.starts_with('"') || value.starts_with('\'')) {
    const size_t end = value.find(value.front(), 1);
    const std::string_view rest =
        end == std::string_view::npos ? "?" : trimmed(value.substr(end + 1));
    if (!rest.empty() && rest.front() != '#') throw std::string("has a quote that is not closed");
    value = value.substr(1, end - 1);
  } else {
    value = trimmed(value.substr(0, value.find('#')));
  }
  return setting;
}

std::string variable_of(std::string_view name) {
  std::string variable = "FERRY_";
  for (const char c : name)
    variable += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return variable;
}

}  // namespace

std::span<const std::string_view> setting_names() {
  return kNames;
}

void read_conf() {
  const char* named = std::getenv("FERRY_CONF");
  const std::string path = named ? named : kUsualPath;
  std::ifstream file(path);
  if (!file) {
    if (!named && errno == ENOENT) return;
    fail_errno(Errc::io, errno, fmt::format("cannot read {}", path));
  }
  unsigned number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    const std::string_view text = trimmed(line);
    if (text.empty() || text.front() == '#') continue;
    try {
      const Setting setting = parse(text);
      setenv(variable_of(setting.name).c_str(), std::string(setting.value).c_str(), 0);
    } catch (const std::string& what) {
      fail(Errc::usage, "{}, line {}, {}", path, number, what);
    }
  }
}

}  // namespace ferry
