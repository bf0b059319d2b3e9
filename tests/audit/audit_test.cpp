// What an audit does with its rules: the levels, places, counts and threads.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/audit/audit_image.h"
#include "tests/audit/broken_image.h"

namespace ferry::test {
namespace {

using G = TestGuest;
using testing::ElementsAre;
using testing::IsEmpty;

TEST(Audit, finds_nothing_in_a_whole_image) {
  for (unsigned vcpus : {1u, 2u, 5u}) {
    const audit::Result result = audit_image(build(TestGuest(vcpus)));
    EXPECT_THAT(broken_rules(result), IsEmpty()) << vcpus;
    EXPECT_TRUE(result.clean());
    EXPECT_EQ(result.judged, audit::Level::full);
  }
  TestGuest tree;
  tree.use_tree();
  EXPECT_THAT(broken_rules(audit_image(build(tree))), IsEmpty());
  TestGuest raw;
  raw.level = 0;
  raw.pages_per_record = 1;
  EXPECT_THAT(broken_rules(audit_image(build(raw))), IsEmpty());
}

TEST(Audit, judges_the_last_version_of_each_page) {
  TestGuest guest;
  guest.head.set_live(true);
  guest.head.set_start_info_pfn(0);
  guest.earlier = guest.pages;
  guest.earlier[G::kUserL1].words[1] = table_entry(G::kAbsent);  // resolved in the second round
  guest.earlier[G::kUserL2].kind = v1::DATA;
  guest.earlier[G::kAbsent].kind = v1::DATA;  // ballooned out meanwhile
  guest.populated = {0, 18, 2, 53, 525, 2};
  guest.head.set_populated_pages(guest.pages.size() + 1);
  EXPECT_THAT(broken_rules(audit_image(build(guest))), IsEmpty());
}

TEST(Audit, a_leaf_page_can_stand_for_several_leaves) {
  TestGuest guest;
  guest.head.set_nr_pfns(600 + 3 * 512);
  guest.set_shared_info(3088, 600 + 3 * 512);
  guest.pages[18] = {.kind = v1::P2M_LEAF};
  guest.page(18).words.fill(kNoFrame);
  guest.p2m_entry(18) = 18;
  guest.head.set_populated_pages(guest.pages.size());
  guest.leaves.insert(guest.leaves.end(), {18, 18, 18});
  for (unsigned i = 2; i < 5; ++i) guest.page(G::kP2mL1).words[i] = table_entry(18, 0);
  EXPECT_THAT(broken_rules(audit_image(build(guest))), IsEmpty());
  guest.page(18).words[3] = 1024 + 3;  // right for the first of the three
  EXPECT_THAT(broken_rules(audit_image(build(guest))), ElementsAre("p2m.entry", "p2m.absent"));
}

TEST(Audit, counts_all_findings_and_keeps_some) {
  TestGuest guest;
  for (uint64_t& word : guest.page(G::kUserL1).words) word = table_entry(G::kKernelL1);
  const audit::Result result = audit_image(build(guest), {.keep = 3});
  EXPECT_EQ(result.findings.count(audit::rule::writable_table), 512u);
  EXPECT_EQ(result.findings.kept().size(), 3u);
}

TEST(Audit, stops_at_the_level_that_was_asked_for) {
  const Bytes bad_table = changed_page(G::kUserL2, 1, table_entry(G::kData));
  EXPECT_TRUE(audit_image(bad_table, {.level = audit::Level::structure}).clean());
  const Bytes bad_structure = changed_vcpu(1, kCr3, 0x1000);
  EXPECT_FALSE(audit_image(bad_structure, {.level = audit::Level::structure}).clean());
  EXPECT_TRUE(audit_image(bad_structure, {.level = audit::Level::digests}).clean());
  EXPECT_FALSE(audit_image(undecodable_pages(), {.level = audit::Level::digests}).clean());
  EXPECT_TRUE(audit_image(undecodable_pages(), {.level = audit::Level::format}).clean());
}

TEST(Audit, says_nothing_of_the_guest_if_the_bytes_are_not_sound) {
  TestGuest guest;
  guest.page(G::kUserL2).words[1] = table_entry(G::kData);
  std::vector<Piece> pieces = take_apart(build(guest));
  Piece& piece = find_piece(pieces, v1::Record::kTscFieldNumber);
  piece.bytes[piece.body_at + 1] ^= std::byte{1};
  const audit::Result result = audit_image(put_together(pieces));
  EXPECT_THAT(broken_rules(result), ElementsAre("digest.mismatch"));
  EXPECT_EQ(result.judged, audit::Level::digests);
}

TEST(Audit, names_the_place) {
  const audit::Result result = audit_image(changed_page(G::kUserL2, 9, table_entry(G::kAbsent)));
  ASSERT_EQ(result.findings.kept().size(), 1u);
  const audit::Place& place = result.findings.kept()[0].place;
  EXPECT_EQ(place.pfn, G::kUserL2);
  EXPECT_EQ(place.level, 2u);
  EXPECT_EQ(place.index, 9u);
  EXPECT_TRUE(place.record && place.offset);
  EXPECT_EQ(audit::finding_in_words(result.findings.kept()[0]),
            fmt::format("L2 entry 9 of pfn 0x6 names pfn 0x48, which is absent. [record {} at byte "
                        "{}]",
                        *place.record, *place.offset));
}

TEST(Audit, names_the_record_once) {
  const audit::Result result = audit_image(damaged_digest());
  const std::string words = audit::finding_in_words(result.findings.kept().at(0));
  EXPECT_NE(words.find("record "), std::string::npos);
  EXPECT_EQ(words.find("record "), words.rfind("record "));
}

TEST(Audit, gives_the_same_findings_on_any_number_of_threads) {
  TestGuest guest;
  guest.pages_per_record = 1;
  for (unsigned i = 0; i < 30; ++i) {
    guest.page(G::kUserL1).words[i] = table_entry(G::kKernelL1);
    guest.page(G::kUserL2).words[i + 100] = table_entry(G::kData);
  }
  const Bytes image = build(guest);
  const audit::Result alone = audit_image(image);
  for (unsigned threads : {1u, 2u, 6u}) {
    MemoryFile file(image);
    const audit::Result result =
        audit::run(ImageFile::open(file.path()), {}, *make_thread_executor(threads));
    ASSERT_EQ(result.findings.kept().size(), alone.findings.kept().size());
    for (size_t i = 0; i < alone.findings.kept().size(); ++i)
      EXPECT_EQ(result.findings.kept()[i].sentence, alone.findings.kept()[i].sentence);
  }
}

}  // namespace
}  // namespace ferry::test
