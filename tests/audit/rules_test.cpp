// For each rule an image that breaks exactly that rule gives exactly that finding.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tests/audit/audit_image.h"
#include "tests/audit/broken_image.h"

namespace ferry::test {
namespace {

using G = TestGuest;
using testing::ElementsAre;
using testing::IsEmpty;

class Rule : public testing::TestWithParam<BrokenImage> {};

TEST_P(Rule, broken_alone_gives_its_finding_alone) {
  const audit::Result result = audit_image(GetParam().image());
  EXPECT_THAT(broken_rules(result), ElementsAre(GetParam().rule));
  for (const audit::Finding& finding : result.findings.kept()) {
    EXPECT_GT(finding.sentence.size(), 20u);
    EXPECT_EQ(finding.sentence.find('\n'), std::string::npos);
  }
  const bool error = audit::find_rule(GetParam().rule)->severity == audit::Severity::error;
  EXPECT_EQ(result.clean(), !error);
}

INSTANTIATE_TEST_SUITE_P(all, Rule, testing::ValuesIn(all_broken_images()), [](const auto& of) {
  std::string name = of.param.rule + "_" + of.param.name;
  for (char& c : name)
    if (c == '.' || c == '-') c = '_';
  return name;
});

TEST(Rules, each_has_an_image_that_breaks_it) {
  std::set<std::string> broken;
  for (const BrokenImage& c : all_broken_images()) broken.insert(c.rule);
  // These come with another finding and have tests of their own below.
  broken.insert({"pt.linear-writable", "pt.linear-depth", "pt.refused", "format.unknown-record"});
  for (const audit::Rule* rule : audit::all_rules())
    EXPECT_EQ(broken.count(std::string(rule->id)), 1u) << rule->id;
}

TEST(Rules, have_ids_of_their_own_and_words) {
  std::set<std::string_view> ids;
  for (const audit::Rule* rule : audit::all_rules()) {
    EXPECT_TRUE(ids.insert(rule->id).second) << rule->id;
    EXPECT_EQ(audit::find_rule(rule->id), rule);
    EXPECT_GT(rule->title.size(), 20u) << rule->id;
    EXPECT_GT(rule->explanation.size(), 20u) << rule->id;
  }
  EXPECT_EQ(audit::find_rule("pt.nothing"), nullptr);
}

TEST(Rules, linear_tables_may_be_neither_writable_nor_nested) {
  EXPECT_THAT(broken_rules(audit_image(changed_page(G::kKernelL4, 300, table_entry(G::kUserL4)))),
              ElementsAre("pt.linear", "pt.linear-writable"));
  const Bytes nested = changed([](G& guest) {
    guest.page(G::kKernelL3).words[5] = table_entry(G::kUserL3, 0);
    guest.page(G::kUserL3).words[5] = table_entry(G::kP2mL3, 0);
  });
  EXPECT_THAT(broken_rules(audit_image(nested)), ElementsAre("pt.linear", "pt.linear-depth"));
}

// The user's L4 maps the kernel's, which Xen has not seen yet when it loads vCPU 0.
Bytes linear_too_early() {
  return changed([](G& guest) {
    guest.page(G::kUserL4).words[255] = table_entry(G::kKernelL4, 0);
    guest.vcpu[0].set(kCr3, G::kUserL4 << 12);
    guest.vcpu[0].set(kCr1, 0);
    guest.vcpu[1].set(kCr3, G::kUserL4 << 12);
    guest.vcpu[1].set(kCr1, 0);
  });
}

TEST(Rules, linear_tables_must_come_in_an_order_that_xen_accepts) {
  const audit::Result result = audit_image(linear_too_early());
  EXPECT_THAT(broken_rules(result), ElementsAre("pt.linear", "pt.refused"));
  ASSERT_TRUE(result.prediction && result.prediction->refusal);
  // Seen as an L3 table the kernel's L4 passes too, and then it cannot be an L4 any more.
  EXPECT_EQ(result.prediction->refusal->step, audit::Refusal::Step::pin);
  EXPECT_EQ(result.prediction->refusal->pfn, G::kKernelL4);
  // The other way round, the kernel's table is in use already when the user's comes.
  const audit::Result good = audit_image(changed_page(G::kUserL4, 255, table_entry(0, 0)));
  EXPECT_THAT(broken_rules(good), ElementsAre("pt.linear"));
  EXPECT_FALSE(good.prediction->refusal);
}

TEST(Rules, an_ldt_that_is_right_breaks_none) {
  EXPECT_THAT(broken_rules(audit_image(with_ldt(table_entry(G::kData, 0), 0x00cff3000000ffff))),
              IsEmpty());
}

TEST(Rules, unknown_records_are_noted_and_skipped) {
  std::vector<Piece> pieces = take_apart(changed(
      [](G& guest) { guest.extra.emplace_back().mutable_timeline()->set_finished_us(200); }));
  Piece& piece = find_piece(pieces, v1::Record::kTimelineFieldNumber);
  // Tag and length stand before the body: field 12, one byte, becomes field 20, two bytes; the
  // body gives up one byte for it.
  ASSERT_EQ(piece.body_bytes, 3u);
  const Bytes kind_20{std::byte{0xa2}, std::byte{0x01}, std::byte{0x02}, std::byte{0x18},
                      std::byte{0x01}};
  std::copy(kind_20.begin(), kind_20.end(),
            piece.bytes.begin() + static_cast<ptrdiff_t>(piece.body_at) - 2);
  reseal(piece);
  const audit::Result result = audit_image(put_together(pieces));
  EXPECT_THAT(broken_rules(result), ElementsAre("format.unknown-record"));
  EXPECT_TRUE(result.clean());
}

}  // namespace
}  // namespace ferry::test
