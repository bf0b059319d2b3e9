// Images that break one rule each, and what makes them: a sound image that is changed in one place.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tests/audit/image_builder.h"
#include "tests/audit/image_surgery.h"

namespace ferry::test {

struct BrokenImage {
  std::string rule;
  std::string name;  // what is broken, in a word
  std::function<Bytes()> image;
};

// By the part of the image that they break.
std::vector<BrokenImage> broken_records();
std::vector<BrokenImage> broken_pages();
std::vector<BrokenImage> broken_vcpus();
std::vector<BrokenImage> all_broken_images();

// The first piece of this kind. Throws if there is none.
Piece& find_piece(std::vector<Piece>& pieces, uint32_t kind);
void put(std::string& bytes, size_t at, uint64_t value, size_t size = 8);

// An image of a whole guest, one record of which is edited.
Bytes edited(uint32_t kind, const std::function<void(v1::Record&)>& change);
// An image of a guest that was changed.
Bytes changed(const std::function<void(TestGuest&)>& change);
Bytes changed_page(uint64_t pfn, unsigned index, uint64_t value);
Bytes changed_vcpu(unsigned id, size_t at, uint64_t value);

Bytes damaged_digest();
// Its first batch is no zstd frame.
Bytes undecodable_pages();
// vCPU 0 has an LDT at the user's address that slot 300 of its L1 maps.
Bytes with_ldt(uint64_t entry, uint64_t descriptor = 0);

// Where things are in a vCPU's registers, in bytes.
inline constexpr size_t kCr1 = 4992, kCr3 = 5008;
inline constexpr uint64_t kNoFrame = ~uint64_t{0};

}  // namespace ferry::test
