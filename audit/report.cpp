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

std::string finding_in_words(const Finding& finding) {
  const Place& place = finding.place;
  if (!place.record || !place.offset) return finding.sentence;
  const std::string record = fmt::format("record {} at byte {}", *place.record, *place.offset);
  if (finding.sentence.find(record) != std::string::npos) return finding.sentence;
  return fmt::format("{} [{}]", finding.sentence, record);
}

}  // namespace ferry::audit
