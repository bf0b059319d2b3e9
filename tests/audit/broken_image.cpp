// What makes images that break one rule each.
#include "tests/audit/broken_image.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>

namespace ferry::test {

Piece& find_piece(std::vector<Piece>& pieces, uint32_t kind) {
  for (Piece& piece : pieces)
    if (piece.kind == kind) return piece;
  throw std::runtime_error("no such record");
}

void put(std::string& bytes, size_t at, uint64_t value, size_t size) {
  std::memcpy(bytes.data() + at, &value, size);
}

Bytes edited(uint32_t kind, const std::function<void(v1::Record&)>& change) {
  std::vector<Piece> pieces = take_apart(build(TestGuest()));
  edit(find_piece(pieces, kind), change);
  return put_together(pieces);
}

Bytes changed(const std::function<void(TestGuest&)>& change) {
  TestGuest guest;
  change(guest);
  return build(guest);
}

Bytes changed_page(uint64_t pfn, unsigned index, uint64_t value) {
  return changed([&](TestGuest& guest) { guest.page(pfn).words[index] = value; });
}
Bytes changed_vcpu(unsigned id, size_t at, uint64_t value) {
  return changed([&](TestGuest& guest) { guest.vcpu[id].set(at, value); });
}

Bytes damaged_digest() {
  std::vector<Piece> pieces = take_apart(build(TestGuest()));
  Piece& piece = find_piece(pieces, v1::Record::kTscFieldNumber);
  piece.bytes[piece.body_at + 1] ^= std::byte{1};
  return put_together(pieces);
}

Bytes undecodable_pages() {
  std::vector<Piece> pieces = take_apart(build(TestGuest()));
  Piece& piece = find_piece(pieces, v1::Record::kPagesFieldNumber);
  const Bytes magic{std::byte{0x28}, std::byte{0xb5}, std::byte{0x2f}, std::byte{0xfd}};
  auto frame = std::search(piece.bytes.begin(), piece.bytes.end(), magic.begin(), magic.end());
  if (frame == piece.bytes.end()) throw std::runtime_error("the batch is not compressed");
  *frame ^= std::byte{1};
  reseal(piece);
  return put_together(pieces);
}

std::vector<BrokenImage> all_broken_images() {
  std::vector<BrokenImage> all;
  for (auto part : {broken_records, broken_pages, broken_vcpus})
    for (BrokenImage& broken : part()) all.push_back(std::move(broken));
  return all;
}

}  // namespace ferry::test
