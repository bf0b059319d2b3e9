// Damaged images: every flipped bit and every truncation is refused; whatever hides behind valid
// digests is judged without a crash.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "audit/summary.h"
#include "error/error.h"
#include "tests/audit/audit_image.h"
#include "tests/audit/image_builder.h"
#include "tests/audit/image_surgery.h"

namespace ferry::test {
namespace {

// One bit of each byte; flips_test.cpp takes all of them, and longer.
TEST(Damage, a_flipped_bit_in_each_byte_of_a_small_image_is_refused) {
  const Bytes image = small_image();
  MemoryFile file(image);
  for (size_t at = 0; at < image.size(); ++at) {
    file.write_at(at, image[at] ^ std::byte{1} << at % 8);
    ASSERT_EQ(verdict_on(file.path()), Verdict::bad) << "byte " << at;
    file.write_at(at, image[at]);
  }
}

TEST(Damage, every_truncation_of_a_small_image_is_refused) {
  const Bytes image = small_image();
  MemoryFile file(image);
  for (size_t bytes = image.size(); bytes-- > 0;) {
    file.resize(bytes);
    ASSERT_EQ(verdict_on(file.path()), Verdict::bad) << bytes << " bytes";
  }
}

TEST(Damage, bytes_behind_the_end_are_refused) {
  Bytes image = small_image();
  for (int more = 0; more < 100; ++more) {
    image.push_back(std::byte(more));
    MemoryFile file(image);
    ASSERT_EQ(verdict_on(file.path()), Verdict::bad);
  }
}

// One to four bytes of bodies changed, all digests right again.
Bytes corrupted(const Bytes& image) {
  std::vector<Piece> pieces = take_apart(image);
  const int changes = *rc::gen::inRange(1, 5);
  for (int i = 0; i < changes; ++i) {
    Piece& piece = pieces[*rc::gen::inRange<size_t>(1, pieces.size() - 1)];
    if (piece.body_bytes == 0) continue;
    const size_t at = piece.body_at + *rc::gen::inRange<size_t>(0, piece.body_bytes);
    piece.bytes[at] = std::byte(*rc::gen::inRange(0, 256));
    reseal(piece);
  }
  return put_together(pieces);
}

void judge_everything(const Bytes& image) {
  MemoryFile file(image);
  try {
    const ImageFile opened = ImageFile::open(file.path());
    InlineExecutor executor;
    audit::run(opened, {}, executor);
    audit::summarise(opened);
  } catch (const Error& error) {
    RC_ASSERT(error.code() == Errc::bad_image || error.code() == Errc::unsupported);
  }
}

RC_GTEST_PROP(Damage, behind_valid_digests_never_crashes, ()) {
  static const Bytes compressed = build(TestGuest());
  static const Bytes raw = [] {
    TestGuest guest;
    guest.level = 0;
    return build(guest);
  }();
  judge_everything(corrupted(compressed));
  judge_everything(corrupted(raw));
}

// Words of page tables, p2m leaves, vCPUs and shared_info that mean something, in random places.
RC_GTEST_PROP(Damage, of_numbers_that_matter_never_crashes, ()) {
  TestGuest guest;
  const std::vector<uint64_t> kinds = {v1::DATA,      v1::L1,   v1::L2,      v1::L3,
                                       v1::L4_PINNED, v1::ZERO, v1::P2M_LEAF};
  const auto word = [] {
    const uint64_t n = *rc::gen::element<uint64_t>(0, 599, 600, 1, uint64_t{1} << 40, ~uint64_t{0});
    return *rc::gen::element(n, n << 12, n << 12 | 0x67, n << 12 | 0xe7, n | uint64_t{1} << 63);
  };
  for (int i = *rc::gen::inRange(1, 6); i > 0; --i) {
    const uint64_t pfn = *rc::gen::inRange<uint64_t>(0, 18);
    guest.page(pfn).words[*rc::gen::inRange<size_t>(0, 512)] = word();
    guest.page(*rc::gen::inRange<uint64_t>(0, 18)).kind =
        static_cast<v1::PageKind>(*rc::gen::elementOf(kinds));
    guest.vcpu[0].set(*rc::gen::element<size_t>(616, 4832, 4960, 4992, 5008), word());
    guest.set_shared_info(8 * *rc::gen::inRange<size_t>(380, 400), word());
    guest.leaves[*rc::gen::inRange<size_t>(0, 2)] = word();
  }
  guest.head.set_p2m_vaddr(word());
  guest.head.set_p2m_root_pfn(word());
  guest.head.set_start_info_pfn(word());
  guest.head.set_max_vcpu_id(static_cast<uint32_t>(word()));
  guest.head.add_stale_frame_lists(word());
  guest.head.add_stale_frame_lists(word());
  guest.populated = std::vector<uint64_t>{word(), word(), word()};
  judge_everything(build(guest));
}

}  // namespace
}  // namespace ferry::test
