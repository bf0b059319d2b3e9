// What Xen would say to the page tables of an image.
#include "audit/prediction.h"

#include "audit/type_counts.h"
#include "proto/pages.h"

namespace ferry::audit {
namespace {

class Player {
 public:
  Player(PageReader& reader, const PageMap& map) : counts_(reader, map) {}

  bool step(Refusal::Step step, uint64_t vcpu, uint64_t pfn, unsigned level) {
    std::optional<Fault> fault =
        counts_.take(pfn, level == 0 ? Use::descriptors : static_cast<Use>(level));
    if (!fault) return true;
    refusal = Refusal{.step = step,
                      .vcpu = vcpu,
                      .pfn = pfn,
                      .level = level,
                      .entry = fault->entry,
                      .error = fault->invalid ? "EINVAL" : "EBUSY",
                      .why = fault->why,
                      .by_chance = fault->by_chance};
    return false;
  }

  bool load(const VcpuRoots& vcpu) {
    for (const uint64_t frame : vcpu.gdt)
      if (!step(Refusal::Step::gdt, vcpu.id, frame, 0)) return false;
    if (vcpu.cr3 && !step(Refusal::Step::cr3, vcpu.id, *vcpu.cr3, 4)) return false;
    return !vcpu.user_cr3 || step(Refusal::Step::user_cr3, vcpu.id, *vcpu.user_cr3, 4);
  }

  std::optional<Refusal> refusal;

 private:
  TypeCounts counts_;
};

void play(Player& player, const PageMap& map, const GuestFacts& facts) {
  for (const VcpuRoots& vcpu : facts.vcpus)
    if (!player.load(vcpu)) return;
  bool fine = true;
  map.for_each_run([&](uint64_t first, uint64_t count, v1::PageKind kind, auto...) {
    if (!is_pinned(kind)) return;
    const auto level = static_cast<unsigned>(table_level(kind));
    for (uint64_t pfn = first; fine && pfn < first + count; ++pfn)
      fine = player.step(Refusal::Step::pin, 0, pfn, level);
  });
}

}  // namespace

Prediction predict(PageReader& reader, const PageMap& map, const GuestFacts& facts, bool broken) {
  Prediction prediction{.vcpus = facts.vcpus.size(), .pins = 0, .known = true, .refusal = {}};
  map.for_each_run([&](uint64_t, uint64_t count, v1::PageKind kind, auto...) {
    if (is_pinned(kind)) prediction.pins += count;
  });
  if (!broken) return prediction;
  try {
    Player player(reader, map);
    play(player, map, facts);
    prediction.refusal = std::move(player.refusal);
  } catch (const TypeCounts::Exhausted&) {
    prediction.known = false;
  }
  return prediction;
}

std::string prediction_in_words(const Prediction& prediction) {
  if (!prediction.known)
    return "whether Xen would take these page tables cannot be told: they are too entangled";
  if (!prediction.refusal)
    return fmt::format("Xen would take the page tables of {} vCPU{} and {} pin{}", prediction.vcpus,
                       prediction.vcpus == 1 ? "" : "s", prediction.pins,
                       prediction.pins == 1 ? "" : "s");
  const Refusal& refusal = *prediction.refusal;
  std::string what;
  switch (refusal.step) {
    case Refusal::Step::gdt:
      what = fmt::format("to load the GDT of vCPU {}", refusal.vcpu);
      break;
    case Refusal::Step::cr3:
      what = fmt::format("to load cr3 of vCPU {}", refusal.vcpu);
      break;
    case Refusal::Step::user_cr3:
      what = fmt::format("to load the user page tables of vCPU {}", refusal.vcpu);
      break;
    case Refusal::Step::pin:
      what = fmt::format("to pin pfn {:#x} as an L{} table", refusal.pfn, refusal.level);
      break;
  }
  return fmt::format("Xen would {}refuse ({}) {}: {}", refusal.by_chance ? "almost surely " : "",
                     refusal.error, what, refusal.why);
}

}  // namespace ferry::audit
