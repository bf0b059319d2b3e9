// All that a page says of an image.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "audit/audit.h"
#include "audit/census.h"
#include "audit/summary.h"

namespace ferry::html {

struct Report {
  std::string file = {};  // as it was named on the command line
  std::string name = {};  // of the guest; empty if the image does not say
  std::string uuid = {};
  std::vector<std::pair<std::string, std::string>> config = {};  // in words
  // What of it is not taken unseen: key, value, why.
  std::vector<std::array<std::string, 3>> asks_for = {};
  audit::Summary summary;
  audit::Result audit;
  // Of the pages; empty if they cannot be read, and then why.
  std::optional<audit::Census> census = {};
  std::string failure = {};
  audit::MemoryCells memory = {};  // without cells if not even the index can be read
};

// A whole page, in UTF-8.
std::string page(const Report& report);

}  // namespace ferry::html
