// What a page is to an image, from what Xen and the p2m say of it.
#include "save/page_kind.h"

#include "error/error.h"

namespace ferry {

v1::PageKind page_kind(pfn_t pfn, PageType type, bool leaf) {
  if (type == kTypeAbsent) return v1::ABSENT;
  if (type == kTypeNone) return leaf ? v1::P2M_LEAF : v1::DATA;
  if (type == kTypeBroken)
    fail(Errc::guest, "page {:#x} of the guest is lost: its memory is marked broken", pfn.raw());
  if (leaf)
    fail(Errc::guest, "page {:#x} holds a part of the guest's p2m but Xen takes it for a table",
         pfn.raw());
  const auto kind = static_cast<v1::PageKind>(type);
  if (!is_page_table(kind))
    fail(Errc::internal, "Xen gave page {:#x} the unknown type {}", pfn.raw(), type);
  return kind;
}

}  // namespace ferry
