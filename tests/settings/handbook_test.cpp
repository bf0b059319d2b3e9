// docs/host.md tells every setting as the table has it. FERRY_WRITE_HANDBOOK=1 brings it up to
// date.
#include "tests/settings/handbook.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

#include <fmt/format.h>

#include "settings/table.h"

namespace ferry {
namespace {

std::string handbook() {
  std::ifstream file(HANDBOOK);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(Handbook, has_the_table_of_settings) {
  const std::string text = handbook();
  const std::string before = table_in(text);
  ASSERT_FALSE(before.empty());
  if (std::getenv("FERRY_WRITE_HANDBOOK")) {
    std::string after = text;
    after.replace(after.find(before), before.size(), handbook_table());
    std::ofstream(HANDBOOK) << after;
  }
  EXPECT_EQ(table_in(handbook()), handbook_table())
      << "FERRY_WRITE_HANDBOOK=1 settings_test --gtest_filter=Handbook.* writes it";
}

TEST(Handbook, tells_of_every_setting_its_default) {
  const std::string table = table_in(handbook());
  for (const Setting& setting : kSettings) {
    const size_t row = table.find(fmt::format("| `{}` |", setting.name));
    if (setting.user == User::helper) {
      EXPECT_EQ(row, std::string::npos) << setting.name;
      continue;
    }
    ASSERT_NE(row, std::string::npos) << setting.name;
    EXPECT_NE(table.substr(row, table.find('\n', row) - row).find(default_of(setting)),
              std::string::npos)
        << setting.name;
  }
}

}  // namespace
}  // namespace ferry
