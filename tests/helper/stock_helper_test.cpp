// The stock helper gets the same arguments; the helper never runs itself.
#include "host/stock_helper.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "error/error.h"
#include "tests/files/folder.h"
#include "xen/release.h"

namespace ferry::helper {
namespace {

char name[] = "ferry-save-helper", mode[] = "--save-domain", number[] = "7";
char* arguments[] = {name, mode, number, nullptr};

TEST(StockHelper, gets_the_same_arguments) {
  const auto script = std::filesystem::temp_directory_path() / "ferry-test-stock-helper";
  std::ofstream(script) << "#!/bin/sh\n[ \"$*\" = \"--save-domain 7\" ] && exit 42\nexit 1\n";
  chmod(script.c_str(), 0700);
  setenv("FERRY_STOCK_HELPER", script.c_str(), 1);
  EXPECT_EXIT(exec_stock_helper(arguments), ::testing::ExitedWithCode(42), "");
  std::filesystem::remove(script);
}

TEST(StockHelper, is_never_ourselves) {
  setenv("FERRY_STOCK_HELPER", "/proc/self/exe", 1);
  EXPECT_THROW(
      {
        try {
          exec_stock_helper(arguments);
        } catch (const Error& e) {
          EXPECT_EQ(e.code(), Errc::unsupported);
          EXPECT_NE(std::string(e.what()).find("ferry itself"), std::string::npos);
          throw;
        }
      },
      Error);
}

TEST(StockHelper, that_is_not_there_is_named) {
  setenv("FERRY_STOCK_HELPER", "/nowhere/helper", 1);
  try {
    exec_stock_helper(arguments);
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("/nowhere/helper"), std::string::npos);
  }
}

TEST(OtherXen, is_the_release_that_linux_tells_unless_it_is_ours) {
  const TestFolder folder;
  EXPECT_EQ(other_xen(folder.path("nothing")), std::nullopt);
  const std::string ours(xen_release());
  const auto tells = [&](const std::string& release) {
    std::ofstream(folder.path("major")) << release.substr(0, release.find('.')) << "\n";
    std::ofstream(folder.path("minor")) << release.substr(release.find('.') + 1) << "\n";
    return other_xen(folder.path(""));
  };
  EXPECT_EQ(tells(ours), std::nullopt);
  EXPECT_EQ(tells("4.99"), "4.99");
  EXPECT_EQ(tells("3.17"), "3.17");
}

}  // namespace
}  // namespace ferry::helper
