// What each kind of page is, and runs of pages.
#include "proto/pages.h"

namespace ferry {

bool has_data(v1::PageKind kind) {
  return kind != v1::ABSENT && kind != v1::ZERO;
}

bool is_page_table(v1::PageKind kind) {
  return table_level(kind) != 0;
}

bool is_pinned(v1::PageKind kind) {
  return kind >= v1::L1_PINNED && kind <= v1::L4_PINNED;
}

int table_level(v1::PageKind kind) {
  if (kind >= v1::L1 && kind <= v1::L4) return kind - v1::L1 + 1;
  if (is_pinned(kind)) return kind - v1::L1_PINNED + 1;
  return 0;
}

const char* kind_name(v1::PageKind kind) {
  switch (kind) {
    case v1::DATA:
      return "data";
    case v1::L1:
      return "L1";
    case v1::L2:
      return "L2";
    case v1::L3:
      return "L3";
    case v1::L4:
      return "L4";
    case v1::L1_PINNED:
      return "L1 (pinned)";
    case v1::L2_PINNED:
      return "L2 (pinned)";
    case v1::L3_PINNED:
      return "L3 (pinned)";
    case v1::L4_PINNED:
      return "L4 (pinned)";
    case v1::ABSENT:
      return "absent";
    case v1::ZERO:
      return "zero";
    case v1::P2M_LEAF:
      return "p2m leaf";
    default:
      return "unknown";
  }
}

void append_page(std::vector<PageRun>& runs, pfn_t pfn, v1::PageKind kind) {
  if (!runs.empty() && runs.back().kind == kind && runs.back().first + runs.back().count == pfn)
    ++runs.back().count;
  else
    runs.push_back({pfn, 1, kind});
}

}  // namespace ferry
