// What is where after an evacuation, for people and for programs.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "evacuate/evacuation.h"

namespace ferry::evacuate {

struct Row {
  LocalGuest guest;
  std::string from, to;  // hosts; to: empty unless it is there, or may be
  Fate fate = Fate::stays;
  std::optional<double> away_seconds;
  std::vector<std::string> reasons;
};

// The rows of all guests: of those that could go, of those that could not, and of those that are
// here now and were not when the evacuation began (came).
std::vector<Row> rows(const std::vector<LocalGuest>& guests, const std::vector<Outcome>& outcomes,
                      const std::vector<LocalGuest>& came, const std::string& here,
                      const std::vector<std::string>& hosts);

// checked: nothing was moved; what was found is told.
std::string as_text(const std::vector<Row>& rows, bool checked);
nlohmann::ordered_json as_json(const std::vector<Row>& rows, bool checked);

// Those that should have gone, and have not: names, for a sentence.
std::vector<std::string> still_here(const std::vector<Row>& rows);
std::vector<std::string> for_the_operator(const std::vector<Row>& rows);

}  // namespace ferry::evacuate
