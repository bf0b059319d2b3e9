// What an audit found: findings by rule, the first few of each in words, all of them counted.
#pragma once

#include <concepts>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "audit/rules.h"
#include "p2m/frames.h"

namespace ferry::audit {

// Where in the image or the guest; what does not apply is empty.
struct Place {
  std::optional<uint64_t> pfn = {};    // the page that holds what is wrong
  std::optional<unsigned> level = {};  // of a page table, 1 to 4
  std::optional<unsigned> index = {};  // of the entry in the page
  std::optional<uint64_t> vcpu = {};
  std::optional<uint64_t> record = {};  // number of the record in the image
  std::optional<uint64_t> offset = {};  // of that record, bytes from the image's first byte
};

struct Finding {
  const Rule* rule = nullptr;
  Place place;
  std::string sentence;
};

// Collects findings on one thread. Of each rule it keeps the first `keep` and counts the rest, so
// that a hostile image cannot fill memory with complaints.
class Findings {
 public:
  explicit Findings(size_t keep) : keep_(keep) {}

  // The sentence is put together only if the finding is kept.
  template <typename... Args>
  void add(const Rule& rule, const Place& place, fmt::format_string<Args...> format,
           Args&&... args) {
    if (counts_[&rule]++ >= keep_) return;
    kept_.push_back(Finding{&rule, place, fmt::format(format, std::forward<Args>(args)...)});
  }

  // The same where the words themselves cost something: sentence() is called only if needed.
  template <std::invocable Sentence>
  void add(const Rule& rule, const Place& place, Sentence&& sentence) {
    if (counts_[&rule]++ < keep_) kept_.push_back(Finding{&rule, place, sentence()});
  }

  // The same finding of count things in a row: put_in_words(i) adds the one about number i. Those
  // that would not be kept are only counted.
  template <std::invocable<uint64_t> PutInWords>
  void add_each(const Rule& rule, uint64_t count, PutInWords put_in_words) {
    uint64_t i = 0;
    for (; i < count && counts_[&rule] < keep_; ++i) put_in_words(i);
    counts_[&rule] += count - i;
  }

  // Appends what another collected; its findings come after ours.
  void merge(Findings&& other);

  bool empty() const { return kept_.empty() && counts_.empty(); }
  size_t keep() const { return keep_; }
  uint64_t count(const Rule& rule) const;
  uint64_t count(Severity severity) const;
  const std::vector<Finding>& kept() const { return kept_; }

 private:
  size_t keep_;
  std::map<const Rule*, uint64_t> counts_;
  std::vector<Finding> kept_;
};

// The sentence, which names everything in the guest that it is about, and the record it was found
// in: "… of pfn 0x6 names … [record 5 at byte 1049]".
std::string finding_in_words(const Finding& finding);

}  // namespace ferry::audit
