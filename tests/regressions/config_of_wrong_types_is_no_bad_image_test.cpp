// An image whose configuration is JSON, but of other types than libxl's, ended in a library's own
// words and exit code 1.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>

#include "proto/xl_wrapper.h"
#include "tests/proto/sample_image.h"

namespace ferry {
namespace {

TEST(ConfigOfWrongTypesIsNoBadImage, it_is_one) {
  for (const char* config : {R"({"c_info": {"name": 5}})", R"({"c_info": {"uuid": ["a"]}})",
                             R"({"c_info": [1, 2]})", R"([])", R"(5)"}) {
    Bytes file = encode_xl_header({kXlFlagJson | kXlFlagStreamV2, config});
    for (const Bytes& part : {test::sample_image(0), encode_libxl_end()})
      file.insert(file.end(), part.begin(), part.end());
    const test::TempFile saved(file);
    const std::string command = std::string(HOST_PROGRAM) + " restore " + saved.path();
    const int status = std::system((command + " 2>&1 | grep -q 'makes no sense'").c_str());
    EXPECT_EQ(WEXITSTATUS(status), 0) << config;
    EXPECT_EQ(WEXITSTATUS(std::system((command + " 2>/dev/null").c_str())), 3) << config;
  }
}

}  // namespace
}  // namespace ferry
