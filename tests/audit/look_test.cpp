// ferry cat and ferry walk: single pages and addresses of a saved guest.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/audit/image_builder.h"
#include "tests/audit/run_program.h"
#include "tests/config/dangerous_configs.h"

namespace ferry::test {
namespace {

using G = TestGuest;
using nlohmann::json;
using testing::HasSubstr;

class Look : public testing::Test {
 protected:
  void SetUp() override {
    path_ = std::filesystem::temp_directory_path() / ("ferry-look-" + std::to_string(::getpid()));
    const Bytes bytes = build(guest_);
    std::ofstream out(path_, std::ios::binary);
    out.write(reinterpret_cast<const char*>(bytes.data()),
              static_cast<std::streamsize>(bytes.size()));
  }
  void TearDown() override { std::filesystem::remove(path_); }

  Outcome ferry(std::vector<std::string> words) {
    words.insert(words.begin(), FERRY_PROGRAM);
    words.push_back(path_);
    // FILE comes before the other words.
    std::rotate(words.begin() + 2, words.end() - 1, words.end());
    return run_program(words);
  }
  std::string contents(uint64_t pfn) const {
    std::string bytes(4096, '\0');
    std::memcpy(bytes.data(), guest_.pages.at(pfn).words.data(), 4096);
    return bytes;
  }

  TestGuest guest_;
  std::string path_;
  // The user's L1 maps pfns 20 to 31 at slots 100 to 111.
  const std::string user_address_ = fmt::format("{:#x}", 511ull << 30 | 7 << 21 | 100 << 12);
};

TEST_F(Look, cat_prints_pages_as_they_are) {
  EXPECT_EQ(ferry({"cat", "20"}).out, contents(20));
  EXPECT_EQ(ferry({"cat", "0x14..0x16"}).out, contents(20) + contents(21) + contents(22));
  EXPECT_EQ(ferry({"cat", "51+2"}).out, contents(51) + std::string(4096, '\0')) << "52 is zeros";
}

TEST_F(Look, cat_prints_a_dump_and_json) {
  const Outcome dump = ferry({"cat", "20", "--hex"});
  EXPECT_THAT(dump.out, HasSubstr("0000000000014ff0  "));
  EXPECT_EQ(std::count(dump.out.begin(), dump.out.end(), '\n'), 256);
  const json page = json::parse(ferry({"cat", "20", "--json"}).out)["pages"][0];
  EXPECT_EQ(page["pfn"], 20);
  EXPECT_EQ(page["kind"], "DATA");
  EXPECT_EQ(page["hex"].get<std::string>().size(), 8192u);
}

TEST_F(Look, cat_follows_virtual_addresses_over_pages) {
  const Outcome outcome =
      ferry({"cat", "--user", "--vaddr",
             fmt::format("{:#x}", (511ull << 30 | 7 << 21 | 100 << 12) + 4000), "--length", "200"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, contents(20).substr(4000) + contents(21).substr(0, 104));
}

TEST_F(Look, cat_refuses_what_has_no_contents) {
  for (const char* range : {"72", "600", "0xffffffffffffffff", "20..19", "20+0", "x", "20..99999"})
    EXPECT_EQ(ferry({"cat", range}).exit_code, 2) << range;
  EXPECT_EQ(ferry({"cat"}).exit_code, 2);
  EXPECT_EQ(ferry({"cat", "--vaddr", "0x1000"}).exit_code, 2);
  EXPECT_THAT(ferry({"cat", "--vaddr", "0xffff800000000000"}).err, HasSubstr("Xen's own"));
  EXPECT_THAT(ferry({"cat", "--vaddr", "0x800000000000"}).err, HasSubstr("not canonical"));
  EXPECT_THAT(ferry({"cat", "--vcpu", "7", "--vaddr", "0x1000"}).err, HasSubstr("no vCPU 7"));
}

TEST_F(Look, walk_shows_each_level) {
  const Outcome outcome = ferry({"walk", "--user", user_address_});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("user page tables of vCPU 0: pfn 0x4\n"));
  EXPECT_THAT(outcome.out, HasSubstr("L3 entry 511 of pfn 0x5: 0x0000000000006067 -> pfn 0x6"));
  EXPECT_THAT(outcome.out,
              HasSubstr("L1 entry 100 of pfn 0x7: 0x8000000000014067 -> pfn 0x14  P RW US A D NX"));
  EXPECT_THAT(outcome.out, HasSubstr("pfn 0x14, byte 0x0: a data page\n"));
}

TEST_F(Look, inspect_shows_configuration_rounds_and_what_is_in_the_pages) {
  guest_.config.emplace();
  guest_.config->set_libxl_json(
      R"({"c_info":{"name":"web1","type":"pv"},"b_info":{"max_memkb":131072},)"
      R"("disks":[{"vdev":"xvda","pdev_path":"/dev/vg/web1"}],"nics":[{"mac":"00:16:3e:00:00:01"}]})");
  const std::string banner = "Linux version 6.1.0 (builder@host) #1 SMP\n";
  std::memcpy(guest_.page(G::kData).words.data() + 3, banner.data(), banner.size());
  v1::Timeline& line = *guest_.extra.emplace_back().mutable_timeline();
  for (uint64_t us : {1000000, 1500000}) line.add_round_us(us);
  for (uint64_t pages : {600, 100}) line.add_round_pages(pages);
  SetUp();
  const std::string text = ferry({"inspect", "--pages"}).out;
  EXPECT_THAT(text, HasSubstr("disks              vdev xvda, pdev_path /dev/vg/web1\n"));
  EXPECT_THAT(text, HasSubstr("1            1.500 s          100              200\n"));
  EXPECT_THAT(text, HasSubstr("kernel   Linux version 6.1.0 (builder@host) #1 SMP\n"));
  EXPECT_THAT(text, HasSubstr("L4              2        2"));
  const json all = json::parse(ferry({"inspect", "--pages", "--json"}).out);
  EXPECT_EQ(all["config"]["nics"][0]["mac"], "00:16:3e:00:00:01");
  EXPECT_EQ(all["contents"]["kernel"], "Linux version 6.1.0 (builder@host) #1 SMP");
  EXPECT_EQ(all["contents"]["rounds"][0]["pages"]["ZERO"], 21);
  EXPECT_EQ(all["contents"]["page_tables"][0]["tables"], 3);
}

TEST_F(Look, what_nobody_should_take_unseen_is_listed) {
  guest_.config.emplace();
  for (const DangerousConfig& config : dangerous_configs()) {
    guest_.config->set_libxl_json(config.json());
    SetUp();
    const json asks_for = json::parse(ferry({"inspect", "--json"}).out)["asks_for"];
    const auto is_listed = [&](const json& one) {
      return one["key"].get<std::string>().starts_with(config.key);
    };
    EXPECT_TRUE(std::any_of(asks_for.begin(), asks_for.end(), is_listed)) << config.patch;
    const json findings = json::parse(ferry({"audit", "--json"}).out)["findings"];
    const auto is_found = [&](const json& one) {
      return one["rule"] == "config.trust" &&
             one["sentence"].get<std::string>().starts_with(config.key);
    };
    EXPECT_TRUE(std::any_of(findings.begin(), findings.end(), is_found)) << config.patch;
  }
  EXPECT_THAT(ferry({"inspect"}).out, HasSubstr("\nasks for what is not taken unseen\nusbdevs [{"));
  EXPECT_THAT(ferry({"inspect", "--html", "-"}).out, HasSubstr("<th scope=\"row\">usbdevs</th>"));
  guest_.config->set_libxl_json(ordinary_config().dump());
  SetUp();
  EXPECT_TRUE(json::parse(ferry({"inspect", "--json"}).out)["asks_for"].empty());
  EXPECT_EQ(json::parse(ferry({"audit", "--json"}).out)["warnings"], 0);
}

TEST_F(Look, walk_says_where_it_ends) {
  const json walk = json::parse(ferry({"walk", "--json", "0x1000"}).out);
  EXPECT_EQ(walk["pfn"], nullptr);
  EXPECT_EQ(walk["fault"], "not present");
  EXPECT_EQ(walk["steps"].size(), 1u);
  const json found = json::parse(ferry({"walk", "--json", "--user", user_address_}).out);
  EXPECT_EQ(found["pfn"], 20);
  EXPECT_EQ(found["steps"].size(), 4u);
}

}  // namespace
}  // namespace ferry::test
