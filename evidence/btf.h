// BTF: how a kernel's structures are laid out, as it has it in its own memory.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "evidence/kernel_memory.h"

namespace ferry::evidence {

class Btf {
 public:
  // From [start, stop) of the kernel's memory. Throws Error(bad_image) if that makes no sense.
  Btf(KernelMemory& memory, uint64_t start, uint64_t stop);

  struct Member {
    uint64_t offset = 0;  // bytes from the beginning of the structure
    uint32_t type = 0;    // an id
  };
  // A member by its path, such as "mm" or "rss_stat.count"; members of structures without a name
  // count as those of what they are in. Nothing if there is none, or it is a bit field.
  std::optional<Member> member(std::string_view structure, std::string_view path) const;

  // Bytes of an element of an array, or of the whole type; 0 if it has none.
  uint64_t element_bytes(uint32_t type) const;
  // The type of an array's elements, or the type itself without its qualifiers.
  uint32_t element(uint32_t type) const;
  // A member of a structure or union of this id.
  std::optional<Member> member_of(uint32_t type, std::string_view path) const;

 private:
  struct Type {
    uint32_t name = 0, info = 0, size_or_type = 0;
    size_t more_at = 0;  // what follows it in bytes_

    unsigned kind() const { return info >> 24 & 0x1f; }
    unsigned count() const { return info & 0xffff; }
  };
  std::optional<Type> type(uint32_t id) const;
  std::string_view text(uint32_t at) const;
  uint32_t plain(uint32_t id) const;
  std::optional<Member> one_member(uint32_t id, std::string_view name, unsigned depth) const;

  Bytes bytes_;
  size_t texts_at_ = 0, texts_bytes_ = 0;
  std::vector<uint32_t> types_;  // where type id + 1 is in bytes_
};

}  // namespace ferry::evidence
