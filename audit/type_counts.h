// Xen's counting of what each page is used as, played over the pages of an image.
#pragma once

#include <array>
#include <memory>
#include <unordered_map>

#include "audit/page_reader.h"
#include "audit/prediction.h"

namespace ferry::audit {

// What a page is used as. Never two at a time.
enum class Use : uint8_t { none = 0, l1 = 1, l2 = 2, l3 = 3, l4 = 4, descriptors, writable };

struct Fault {
  bool invalid = true;  // EINVAL; otherwise EBUSY
  Place entry;
  std::string why;
  bool by_chance = false;
};

class TypeCounts {
 public:
  TypeCounts(PageReader& reader, const PageMap& map);

  // One more reference to the page as such; validates it if it is the first. Throws Exhausted.
  std::optional<Fault> take(uint64_t pfn, Use use);

  // Thrown when so much was looked at that the image must be made to be slow.
  struct Exhausted {};

 private:
  struct Page {
    uint32_t references = 0;
    Use use = Use::none;
    bool validated = false;
  };
  using Words = std::array<uint64_t, 512>;

  void drop(uint64_t pfn);
  void drop_entry(unsigned level, uint64_t entry, uint64_t table);
  void drop_entries(uint64_t table, unsigned level, unsigned end);
  std::optional<Fault> validate(uint64_t pfn, Use use);
  std::optional<Fault> validate_table(uint64_t pfn, unsigned level);
  std::optional<Fault> take_leaf(uint64_t entry);
  std::optional<Fault> take_table(unsigned level, uint64_t entry, uint64_t table);
  bool take_linear(unsigned level, uint64_t entry, uint64_t table);
  Words words(uint64_t pfn);

  PageReader& reader_;
  const PageMap& map_;
  PfnMap<Page> pages_;  // of those that something refers to
  // Above 0: mapped by so many entries of tables of its level; below 0: has so many.
  std::unordered_map<uint64_t, int64_t> linear_;
  std::unordered_map<uint64_t, std::unique_ptr<Words>> held_;
  uint64_t budget_;
};

}  // namespace ferry::audit
