// What an image holds, in tables.
#pragma once

#include <string>

#include "html/report.h"
#include "html/rounds.h"

namespace ferry::html {

std::string pages_table(const audit::Summary& summary);
std::string rounds_tables(const std::vector<Round>& rounds, const std::optional<audit::Census>& of);
std::string page_tables_table(const audit::Census& census);
std::string records_table(const audit::Summary& summary);
std::string vcpus_table(const audit::Summary& summary);
std::string config_table(const Report& report);
std::string asks_for_table(const Report& report);

}  // namespace ferry::html
