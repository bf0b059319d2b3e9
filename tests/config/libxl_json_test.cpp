// What of a configuration is looked at, whoever asks.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/json_text.h"
#include "config/libxl_json.h"

namespace ferry {
namespace {

using testing::HasSubstr;

std::string with(const std::string& more) {
  return R"({"c_info":{"name":"web1"},"x":)" + more + "}";
}

TEST(LibxlJson, is_an_object_of_bounded_size_depth_and_number) {
  EXPECT_EQ(fault_of_config(with("[[1]]")), "");
  EXPECT_EQ(fault_of_config(with(std::string(31, '[') + std::string(31, ']'))), "");
  EXPECT_THAT(fault_of_config(with(std::string(32, '[') + std::string(32, ']'))),
              HasSubstr("nests 33 deep"));
  EXPECT_THAT(fault_of_config(std::string(3u << 20, '[')), HasSubstr("bytes, more than"));
  std::string many = "0";
  while (many.size() < 40'000) many += ",0";
  EXPECT_THAT(fault_of_config(with("[" + many + "]")), HasSubstr("values, more than"));
  EXPECT_EQ(fault_of_config("[]"), "it is no object");
  EXPECT_EQ(fault_of_config("{"), "it is no JSON");
  EXPECT_EQ(fault_of_config(with("\"[[[\\\"[\"")), "") << "brackets in a text";
}

TEST(LibxlJson, is_utf8_or_the_guest_is_not_suspended_for_it) {
  const std::string latin1 = with("\"caf\xe9\"");
  EXPECT_TRUE(parse_config(latin1).is_null());
  try {
    config_to_save(latin1);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::unsupported);
    EXPECT_THAT(error.what(), HasSubstr("not UTF-8"));
  }
  EXPECT_EQ(config_to_save(with("\"café\"")), with("\"café\""));
}

TEST(LibxlJson, names_what_a_restore_misses) {
  for (const char* text : {"{}", R"({"c_info":[]})", R"({"c_info":{"name":1}})", "x"})
    EXPECT_THROW(require_config(text, Errc::bad_image, "the image's configuration"), Error) << text;
  EXPECT_EQ(require_config(with("1"), Errc::bad_image, "it")["c_info"]["name"], "web1");
}

TEST(JsonText, takes_any_bytes) {
  const std::string text = json_text({{"name", "caf\xe9 \u009b2J ü"}}, -1);
  EXPECT_EQ(text, R"({"name":"caf\ufffd \u009b2J \u00fc"})");
}

}  // namespace
}  // namespace ferry
