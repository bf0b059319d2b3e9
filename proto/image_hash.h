// The hash by which a delta names its base: SHA-256 over the SHA-256 of each record, in order.
//
//   | SHA-256 of record 0, 32 | SHA-256 of record 1, 32 | … | SHA-256 of End, 32 |  →  SHA-256
//
// So it is known after one pass, and the records of one image are hashed on all cores.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <span>

namespace ferry {

class ImageHash {
 public:
  using Sha256 = std::array<std::byte, 32>;

  ImageHash();
  ~ImageHash();
  // Of one whole record. Safe on any thread.
  static Sha256 of_record(std::span<const std::byte> record);
  void add(const Sha256& of_record);
  // Of all that were added; nothing is added after. Throws Error(internal) where OpenSSL has none.
  Sha256 result();

 private:
  class Running;
  std::unique_ptr<Running> running_;
};

}  // namespace ferry
