// Makes the BTF of a kernel for tests.
#include "tests/evidence/btf_builder.h"

namespace ferry::test {
namespace {

void put(std::string& to, uint32_t word) {
  to.append(reinterpret_cast<const char*>(&word), sizeof word);
}

}  // namespace

uint32_t BtfBuilder::text(const std::string& name) {
  if (name.empty()) return 0;
  const auto at = static_cast<uint32_t>(texts_.size());
  texts_ += name + '\0';
  return at;
}

uint32_t BtfBuilder::add(const std::string& name, uint32_t kind, uint32_t count,
                         uint32_t size_or_type, const std::vector<uint32_t>& more) {
  put(types_, text(name));
  put(types_, kind << 24 | count);
  put(types_, size_or_type);
  for (const uint32_t word : more) put(types_, word);
  return ++count_;
}

uint32_t BtfBuilder::integer(const std::string& name, uint32_t bytes) {
  return add(name, 1, 0, bytes, {bytes * 8});
}

uint32_t BtfBuilder::array(uint32_t of, uint32_t count) {
  return add("", 3, 0, 0, {of, 1, count});
}

uint32_t BtfBuilder::structure(const std::string& name, uint32_t bytes,
                               const std::vector<Member>& members) {
  std::vector<uint32_t> more;
  for (const Member& member : members)
    more.insert(more.end(), {text(member.name), member.type, member.offset * 8});
  return add(name, 4, static_cast<uint32_t>(members.size()), bytes, more);
}

std::string BtfBuilder::bytes() const {
  std::string all;
  put(all, 0x0001eb9f);
  put(all, 24);
  put(all, 0);
  put(all, static_cast<uint32_t>(types_.size()));
  put(all, static_cast<uint32_t>(types_.size()));
  put(all, static_cast<uint32_t>(texts_.size()));
  return all + types_ + texts_;
}

}  // namespace ferry::test
