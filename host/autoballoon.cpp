// Memory that xl takes from domain 0.
#include "host/autoballoon.h"

#include <fstream>
#include <sstream>
#include <string>

#include "p2m/frames.h"
#include "xen/domain.h"

namespace ferry::host {
namespace {

constexpr char kXlConf[] = "/etc/xen/xl.conf";
constexpr uint64_t kLeftToDomain0 = uint64_t{128} << 20;  // libxl takes no more from it
constexpr std::string_view kBlank = " \t\"'";

// The last value of the key, without blanks and quotes; "" if there is none.
std::string value_of(std::string_view text, std::string_view key) {
  std::istringstream lines{std::string(text)};
  std::string found;
  for (std::string line; std::getline(lines, line);) {
    line.resize(std::min(line.find('#'), line.size()));
    const size_t equals = line.find('=');
    if (equals == std::string::npos) continue;
    const auto trimmed = [](std::string_view word) {
      const size_t begin = word.find_first_not_of(kBlank);
      if (begin == std::string_view::npos) return std::string();
      return std::string(word.substr(begin, word.find_last_not_of(kBlank) - begin + 1));
    };
    if (trimmed(std::string_view(line).substr(0, equals)) == key)
      found = trimmed(std::string_view(line).substr(equals + 1));
  }
  return found;
}

}  // namespace

bool xl_balloons_domain_0(std::string_view xl_conf, std::string_view xen_command_line) {
  const std::string told = value_of(xl_conf, "autoballoon");
  if (told == "on" || told == "1") return true;
  if (told == "off" || told == "0") return false;
  std::istringstream words{std::string(xen_command_line)};
  for (std::string word; words >> word;)
    // A share of the host's memory is none that xl knows.
    if (word.starts_with("dom0_mem=") && word.find('%') == std::string::npos) return false;
  return true;
}

uint64_t bytes_from_domain_0(const Hypervisor& xen) {
  try {
    std::ostringstream conf;
    conf << std::ifstream(kXlConf).rdbuf();
    if (!xl_balloons_domain_0(conf.str(), xen_command_line(xen))) return 0;
    const uint64_t has = get_domain(xen, domid_t{0}).nr_pages * kPageSize;
    return has - std::min(has, kLeftToDomain0);
  } catch (const Error&) {
    return 0;
  }
}

}  // namespace ferry::host
