// What an audit found.
#include "audit/report.h"

namespace ferry::audit {

void Findings::merge(Findings&& other) {
  std::map<const Rule*, uint64_t> room;
  for (Finding& finding : other.kept_) {
    uint64_t& taken = room.try_emplace(finding.rule, counts_[finding.rule]).first->second;
    if (taken++ < keep_) kept_.push_back(std::move(finding));
  }
  for (const auto& [rule, count] : other.counts_) counts_[rule] += count;
}

uint64_t Findings::count(const Rule& rule) const {
  auto found = counts_.find(&rule);
  return found == counts_.end() ? 0 : found->second;
}

uint64_t Findings::count(Severity severity) const {
  uint64_t sum = 0;
  for (const auto& [rule, count] : counts_)
    if (rule->severity == severity) sum += count;
  return sum;
}

std::string place_in_words(const Place& place) {
  std::string words;
  auto add = [&words](std::string part) {
    if (!words.empty()) words += ", ";
    words += part;
  };
  if (place.vcpu) add(fmt::format("vCPU {}", *place.vcpu));
  if (place.pfn) add(fmt::format("pfn {:#x}", *place.pfn));
  if (place.level) {
    add(place.index ? fmt::format("L{} entry {}", *place.level, *place.index)
                    : fmt::format("L{} table", *place.level));
  } else if (place.index) {
    add(fmt::format("entry {}", *place.index));
  }
  if (place.record) {
    add(place.offset ? fmt::format("record {} at byte {}", *place.record, *place.offset)
                     : fmt::format("record {}", *place.record));
  }
  return words;
}

}  // namespace ferry::audit
