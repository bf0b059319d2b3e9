// What is where after an evacuation.
#include "evacuate/table.h"

#include <algorithm>

#include <fmt/format.h>

#include "text/printable.h"
#include "xen/uuid.h"

namespace ferry::evacuate {
namespace {

constexpr unsigned kMibShift = 20;

std::string in_words(const Row& row, bool checked) {
  switch (row.fate) {
    case Fate::moved:
      return checked ? "can go" : "moved";
    case Fate::stays:
      return checked && !row.guest.meant_to_stay ? "cannot go" : "stays";
    case Fate::needs_operator:
      return "needs the operator";
    case Fate::gone:
      return "ended by itself";
  }
  return "";
}

const char* in_json(Fate fate) {
  switch (fate) {
    case Fate::moved:
      return "moved";
    case Fate::stays:
      return "stays";
    case Fate::needs_operator:
      return "needs_operator";
    case Fate::gone:
      return "gone";
  }
  return "";
}

// Columns as wide as what is in them.
std::string columns(const std::vector<std::vector<std::string>>& lines) {
  std::vector<size_t> widths(lines.front().size());
  for (const auto& line : lines)
    for (size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], line[i].size());
  std::string text;
  for (const auto& line : lines) {
    std::string one;
    for (size_t i = 0; i < line.size(); ++i) one += fmt::format("{:<{}}  ", line[i], widths[i]);
    one.resize(one.find_last_not_of(' ') + 1);
    text += one + "\n";
  }
  return text;
}

std::vector<std::string> names_of(const std::vector<Row>& rows, Fate fate) {
  std::vector<std::string> names;
  for (const Row& row : rows)
    if (row.fate == fate && !row.guest.meant_to_stay) names.push_back(row.guest.name);
  return names;
}

}  // namespace

std::vector<Row> rows(const std::vector<LocalGuest>& guests, const std::vector<Outcome>& outcomes,
                      const std::vector<LocalGuest>& came, const std::string& here,
                      const std::vector<std::string>& hosts) {
  std::vector<Row> all;
  for (const Outcome& outcome : outcomes)
    all.push_back({outcome.guest, here, outcome.host ? hosts[*outcome.host] : "", outcome.fate,
                   outcome.away_seconds, outcome.reasons});
  for (const LocalGuest& guest : guests)
    if (!guest.stays.empty())
      all.push_back({guest,
                     here,
                     "",
                     guest.needs_operator ? Fate::needs_operator : Fate::stays,
                     {},
                     guest.stays});
  for (const LocalGuest& guest : came)
    all.push_back(
        {guest, here, "", Fate::stays, {}, {"it came while this host was being emptied"}});
  return all;
}

std::string as_text(const std::vector<Row>& rows, bool checked) {
  std::vector<std::vector<std::string>> lines = {
      {"Guest", "MiB", "From", "To", "Result", checked ? "" : "Suspended"}};
  std::string reasons;
  for (const Row& row : rows) {
    const std::string name = printable(row.guest.name);
    lines.push_back({name, std::to_string(row.guest.bytes >> kMibShift), printable(row.from),
                     row.to.empty() ? "-" : printable(row.to), in_words(row, checked),
                     row.away_seconds ? fmt::format("{:.2f} s", *row.away_seconds) : ""});
    for (const std::string& reason : row.reasons)
      reasons += fmt::format("{}: {}\n", name, printable(reason));
  }
  return columns(lines) + reasons;
}

nlohmann::ordered_json as_json(const std::vector<Row>& rows, bool checked) {
  nlohmann::ordered_json guests = nlohmann::ordered_json::array();
  for (const Row& row : rows) {
    nlohmann::ordered_json one = {{"domain", row.guest.name},
                                  {"domid", raw(row.guest.domid)},
                                  {"uuid", uuid_text(row.guest.uuid)},
                                  {"guest_bytes", row.guest.bytes},
                                  {"from", row.from},
                                  {"to", nullptr},
                                  {"result", in_json(row.fate)},
                                  {"meant_to_stay", row.guest.meant_to_stay},
                                  {"away_seconds", nullptr},
                                  {"reasons", row.reasons}};
    if (!row.to.empty()) one["to"] = row.to;
    if (row.away_seconds) one["away_seconds"] = *row.away_seconds;
    guests.push_back(std::move(one));
  }
  return {{"checked_only", checked}, {"guests", std::move(guests)}};
}

std::vector<std::string> still_here(const std::vector<Row>& rows) {
  return names_of(rows, Fate::stays);
}

std::vector<std::string> for_the_operator(const std::vector<Row>& rows) {
  return names_of(rows, Fate::needs_operator);
}

}  // namespace ferry::evacuate
