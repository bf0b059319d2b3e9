// ferry diff: the two ways of printing what is different, and what is different in configurations.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "borrow/questions.h"
#include "evidence/diff.h"

namespace ferry {

struct PfnsThatDiffer {
  uint64_t first = 0, pages = 0;
};

struct ImageDiff {
  std::string from, to;  // files
  evidence::PagesDiff pages = {};
  std::vector<PfnsThatDiffer> ranges = {};  // the first of ranges_total
  uint64_t ranges_total = 0;
  std::vector<evidence::ValueChange> records = {};
  std::vector<evidence::VcpuChange> vcpus = {};
  std::vector<evidence::ValueChange> config = {};  // values as JSON
  // Of those that are running guests: name, and what came of it meanwhile.
  std::vector<std::pair<std::string, borrow::Seen>> running = {};

  bool same() const {
    return pages.changed == 0 && records.empty() && vcpus.empty() && config.empty();
  }
};

// Each value of libxl's configuration that is not the same, by its place: "/b_info/max_memkb". What
// makes no sense to us counts as nothing.
std::vector<evidence::ValueChange> diff_config(const ImageFile& a, const ImageFile& b);

std::string diff_as_text(const ImageDiff& diff);
nlohmann::ordered_json diff_as_json(const ImageDiff& diff);

// The rows of 16 bytes that are not the same, as a dump with - and + before them.
std::string page_as_text(const evidence::ChangedPage& page);

}  // namespace ferry
