// The table of settings in docs/host.md.
#pragma once

#include <string>

namespace ferry {

// As it follows from settings/table.h.
std::string handbook_table();

// The one that the text has, or nothing.
std::string table_in(const std::string& text);

}  // namespace ferry
