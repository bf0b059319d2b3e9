// Makes BTF, the kernel's description of its structures.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ferry::test {

class BtfBuilder {
 public:
  struct Member {
    std::string name;  // empty: of no name
    uint32_t type = 0;
    uint32_t offset = 0;  // bytes
  };

  // Each returns the id of the type.
  uint32_t integer(const std::string& name, uint32_t bytes);
  uint32_t pointer(uint32_t to) { return add("", 2, 0, to, {}); }
  uint32_t array(uint32_t of, uint32_t count);
  uint32_t structure(const std::string& name, uint32_t bytes, const std::vector<Member>& members);
  uint32_t typedef_of(const std::string& name, uint32_t of) { return add(name, 8, 0, of, {}); }
  uint32_t constant(uint32_t of) { return add("", 10, 0, of, {}); }

  std::string bytes() const;

 private:
  uint32_t add(const std::string& name, uint32_t kind, uint32_t count, uint32_t size_or_type,
               const std::vector<uint32_t>& more);
  uint32_t text(const std::string& name);

  std::string types_, texts_ = std::string(1, '\0');
  uint32_t count_ = 0;
};

}  // namespace ferry::test
