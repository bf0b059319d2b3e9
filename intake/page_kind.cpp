// What a page of a guest is, as the engine knows it.
#include "intake/page_kind.h"

namespace ferry {
namespace {

// nullptr for a number that is no kind.
const char* name_of(uint64_t number) {
  switch (number) {
    case static_cast<uint64_t>(PageKind::data):
      return "data";
    case static_cast<uint64_t>(PageKind::l1):
      return "L1";
    case static_cast<uint64_t>(PageKind::l2):
      return "L2";
    case static_cast<uint64_t>(PageKind::l3):
      return "L3";
    case static_cast<uint64_t>(PageKind::l4):
      return "L4";
    case static_cast<uint64_t>(PageKind::l1_pinned):
      return "L1 (pinned)";
    case static_cast<uint64_t>(PageKind::l2_pinned):
      return "L2 (pinned)";
    case static_cast<uint64_t>(PageKind::l3_pinned):
      return "L3 (pinned)";
    case static_cast<uint64_t>(PageKind::l4_pinned):
      return "L4 (pinned)";
    case static_cast<uint64_t>(PageKind::absent):
      return "absent";
    case static_cast<uint64_t>(PageKind::zero):
      return "zero";
    case static_cast<uint64_t>(PageKind::p2m_leaf):
      return "p2m leaf";
    default:
      return nullptr;
  }
}

}  // namespace

std::optional<PageKind> page_kind_of(uint64_t number) {
  if (name_of(number) == nullptr) return std::nullopt;
  return static_cast<PageKind>(number);
}

const char* kind_name(PageKind kind) {
  const char* name = name_of(static_cast<uint64_t>(kind));
  return name != nullptr ? name : "unknown";
}

}  // namespace ferry
