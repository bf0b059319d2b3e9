// Images whose pages, p2m or page tables break a rule.
#include "tests/audit/broken_image.h"

namespace ferry::test {
namespace {

using G = TestGuest;

// A page of the guest becomes absent, in every place that says so.
void remove_page(TestGuest& guest, uint64_t pfn) {
  guest.pages.erase(pfn);
  guest.p2m_entry(pfn) = kNoFrame;
  guest.page(G::kKernelL1).words[pfn] = 0;
  guest.head.set_populated_pages(guest.pages.size());
}

// A whole image of a live save in which one table was sent twice, the first time like this.
Bytes replaced_entry(uint64_t pfn, unsigned index, uint64_t value) {
  return changed([&](G& guest) {
    guest.head.set_live(true);
    guest.head.set_start_info_pfn(0);
    guest.earlier[pfn] = guest.page(pfn);
    guest.earlier[pfn].words[index] = value;
  });
}

std::vector<BrokenImage> page_cases() {
  return {
      {"pages.missing", "absent",
       [] { return changed([](G& guest) { guest.unmentioned = {G::kAbsent + 5}; }); }},
      {"pages.populated-count", "more",
       [] { return changed([](G& guest) { guest.head.set_populated_pages(75); }); }},
      {"pages.populated-count", "live",
       [] {
         return changed([](G& guest) {
           guest.head.set_live(true);
           guest.head.set_populated_pages(75);
         });
       }},
      {"pages.populated-list", "absent",
       [] { return changed([](G& guest) { guest.populated = {0, 18, 2, 53, 525, 2}; }); }},
      {"pages.populated-list", "too_few",
       [] { return changed([](G& guest) {
              guest.populated = {0, 18, 2, 52};
            }); }},
      {"pages.populated-list", "beyond",
       [] { return changed([](G& guest) {
              guest.populated = {0, 601};
            }); }},
      {"pages.populated-list", "half_a_run",
       [] { return changed([](G& guest) { guest.populated = {0}; }); }},
      {"pages.stale-frame-lists", "absent",
       [] {
         return changed([](G& guest) {
           guest.head.add_stale_frame_lists(G::kAbsent);
           guest.head.add_stale_frame_lists(1);
         });
       }},
      {"pages.stale-frame-lists", "beyond",
       [] {
         return changed([](G& guest) {
           guest.head.add_stale_frame_lists(600);
           guest.head.add_stale_frame_lists(1);
         });
       }},
  };
}

std::vector<BrokenImage> p2m_cases() {
  return {
      {"p2m.leaf-list", "short",
       [] {
         return changed([](G& guest) {
           guest.leaves.pop_back();
           guest.page(G::kLeaf1).kind = v1::DATA;
         });
       }},
      {"p2m.leaf-list", "long",
       [] { return changed([](G& guest) { guest.leaves.push_back(9); }); }},
      {"p2m.leaf-kind", "data",
       [] {
         return changed([](G& guest) {
           guest.page(G::kLeaf1).kind = v1::DATA;
           guest.leaves[1] = G::kLeaf1;
         });
       }},
      {"p2m.stray-leaf", "data",
       [] {
         return changed([](G& guest) {
           guest.page(G::kData).kind = v1::P2M_LEAF;
           guest.page(G::kData).words.fill(kNoFrame);
         });
       }},
      {"p2m.entry", "replaced",
       [] {
         return changed([](G& guest) {
           guest.head.set_live(true);
           guest.earlier[G::kLeaf0] = guest.page(G::kLeaf0);
           guest.earlier[G::kLeaf0].words[3] = 0x12345;
         });
       }},
      {"p2m.entry", "other_page",
       [] { return changed([](G& guest) { guest.p2m_entry(G::kData) = G::kData + 1; }); }},
      {"p2m.entry", "beyond",
       [] { return changed([](G& guest) { guest.page(G::kLeaf1).words[511] = 1023; }); }},
      {"p2m.absent", "absent",
       [] { return changed([](G& guest) { guest.p2m_entry(G::kAbsent) = G::kAbsent; }); }},
      {"p2m.foreign", "frame",
       [] { return changed([](G& guest) { guest.p2m_entry(101) = uint64_t{1} << 63 | 0x1234; }); }},
      {"p2m.unlisted", "invalid",
       [] { return changed([](G& guest) { guest.p2m_entry(G::kData) = kNoFrame; }); }},
      {"p2m.unlisted", "identity",
       [] {
         return changed([](G& guest) { guest.p2m_entry(G::kZero) = uint64_t{1} << 62 | G::kZero; });
       }},
      {"p2m.root", "data",
       [] {
         return changed([](G& guest) {
           guest.head.set_p2m_root_pfn(G::kData);
           guest.set_shared_info(3112, G::kData << 12);
         });
       }},
      {"p2m.root", "tree",
       [] {
         return changed([](G& guest) {
           guest.use_tree();
           guest.head.set_p2m_root_pfn(G::kZero);
         });
       }},
      {"p2m.view", "other_leaf", [] { return changed_page(G::kP2mL1, 1, table_entry(G::kLeaf0)); }},
      {"p2m.view", "hole", [] { return changed_page(G::kP2mL2, 0, 0); }},
      {"p2m.view", "not_canonical",
       [] {
         return changed([](G& guest) {
           guest.head.set_p2m_vaddr(0x0000c90000000000);
           guest.set_shared_info(3120, 0x0000c90000000000);
         });
       }},
  };
}

std::vector<BrokenImage> table_cases() {
  return {
      {"pt.target-range", "l1", [] { return changed_page(G::kUserL1, 1, table_entry(600)); }},
      {"pt.target-range", "l4",
       [] { return changed_page(G::kUserL4, 1, table_entry(0x12345678)); }},
      {"pt.target-absent", "l1",
       [] { return changed_page(G::kUserL1, 1, table_entry(G::kAbsent, 0)); }},
      {"pt.target-absent", "removed",
       [] {
         return changed([](G& guest) {
           remove_page(guest, G::kData + 3);  // which the user's L1 maps
         });
       }},
      {"pt.target-type", "data", [] { return changed_page(G::kUserL2, 1, table_entry(G::kData)); }},
      {"pt.target-type", "one_too_low",
       [] { return changed_page(G::kUserL3, 1, table_entry(G::kUserL1)); }},
      {"pt.target-type", "one_too_high",
       [] { return changed_page(G::kUserL2, 1, table_entry(G::kUserL3)); }},
      {"pt.large-page", "l2",
       [] { return changed_page(G::kUserL2, 1, table_entry(G::kUserL1, kLarge)); }},
      {"pt.reserved-slot", "first", [] { return changed_page(G::kUserL4, 256, 0x1000); }},
      {"pt.reserved-slot", "last",
       [] { return changed_page(G::kKernelL4, 271, table_entry(0x12345)); }},
      {"pt.flags", "l3", [] { return changed_page(G::kUserL3, 1, table_entry(G::kUserL2, 0x10)); }},
      {"pt.flags", "global",
       [] { return changed_page(G::kUserL4, 1, table_entry(G::kUserL3, 0x100)); }},
      {"pt.cache-flags", "pat",
       [] { return changed_page(G::kUserL1, 1, table_entry(G::kData, 0x80)); }},
      {"pt.linear", "self",
       [] { return changed_page(G::kKernelL4, 300, table_entry(G::kKernelL4, 0)); }},
      {"pt.writable-table", "l1",
       [] { return changed_page(G::kUserL1, 1, table_entry(G::kKernelL3)); }},
      {"pt.writable-table", "itself",
       [] { return changed_page(G::kUserL1, 1, table_entry(G::kUserL1)); }},
      {"pt.replaced", "range", [] { return replaced_entry(G::kUserL1, 1, table_entry(0x12345)); }},
      {"pt.replaced", "large",
       [] { return replaced_entry(G::kUserL2, 1, table_entry(3, kLarge)); }},
      {"pt.replaced", "slot", [] { return replaced_entry(G::kUserL4, 260, 0x1000); }},
      {"pt.writable-gdt", "second",
       [] { return changed_page(G::kUserL1, 1, table_entry(G::kGdt1)); }},
  };
}

}  // namespace

std::vector<BrokenImage> broken_pages() {
  std::vector<BrokenImage> all;
  for (auto part : {page_cases, p2m_cases, table_cases})
    for (BrokenImage& broken : part()) all.push_back(std::move(broken));
  return all;
}

}  // namespace ferry::test
