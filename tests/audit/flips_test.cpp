// Every single-bit flip of a small image is refused: all of them, which takes a while.
#include <gtest/gtest.h>

#include "tests/audit/audit_image.h"
#include "tests/audit/image_builder.h"

namespace ferry::test {
namespace {

TEST(Flips, every_flipped_bit_of_a_small_image_is_refused) {
  const Bytes image = small_image();
  ASSERT_LE(image.size(), 32u << 10);
  MemoryFile file(image);
  ASSERT_EQ(verdict_on(file.path()), Verdict::clean);
  for (size_t at = 0; at < image.size(); ++at) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      file.write_at(at, image[at] ^ std::byte{1} << bit);
      ASSERT_EQ(verdict_on(file.path()), Verdict::bad) << "bit " << bit << " of byte " << at;
    }
    file.write_at(at, image[at]);
  }
  ASSERT_EQ(verdict_on(file.path()), Verdict::clean);
}

}  // namespace
}  // namespace ferry::test
