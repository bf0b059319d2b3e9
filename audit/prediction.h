// What Xen would say to the page tables of an image: a restore loads each vCPU (GDT, cr3, user
// page-table base), then pins all pinned tables in order of pfn, and Xen validates, entry by entry,
// what they reach.
//
// An image whose page tables break no rule is taken for sure: each page has one kind, each entry
// names the kind that its level needs, and nothing maps a table or a GDT writable, so no page is
// ever wanted as two things. Only where a rule is broken is the restore played through, with Xen's
// counting of types, up to the first refusal.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "audit/guest_facts.h"
#include "audit/page_reader.h"
#include "audit/report.h"

namespace ferry::audit {

struct Refusal {
  enum class Step { gdt, cr3, user_cr3, pin };
  Step step = Step::pin;
  uint64_t vcpu = 0;       // of the first three steps
  uint64_t pfn = 0;        // the page that the step hands to Xen
  unsigned level = 0;      // the type it is wanted as: 1 to 4, 0 for a GDT frame
  Place entry;             // the entry that Xen stumbles over; only the page if it has none
  const char* error = "";  // EINVAL, EBUSY
  std::string why;         // of that entry, a part of a sentence
  // A page that the image does not hold as a table is wanted as one: what its entries name on the
  // new host is chance, and it would be a strange one if Xen took them.
  bool by_chance = false;
};

struct Prediction {
  uint64_t vcpus = 0, pins = 0;    // that a restore would load
  bool known = false;              // false: too entangled to be played through in bounded time
  std::optional<Refusal> refusal;  // of the first step that fails
};

// facts.vcpus by id. broken: a rule about page tables, GDTs or their roots is.
Prediction predict(PageReader& reader, const PageMap& map, const GuestFacts& facts, bool broken);

// "Xen would refuse (EINVAL) to pin pfn 0x4 as an L4 table: L2 entry 9 of pfn 0x6 …"
std::string prediction_in_words(const Prediction& prediction);

}  // namespace ferry::audit
