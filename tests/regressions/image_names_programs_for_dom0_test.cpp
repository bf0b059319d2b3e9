// An image's configuration went to xl as it came: whoever wrote the file could have programs run,
// and files and devices opened, as root of the host that restored it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <fstream>

#include "proto/xl_wrapper.h"
#include "tests/config/dangerous_configs.h"
#include "tests/files/folder.h"
#include "tests/proto/sample_image.h"

namespace ferry {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

struct Ended {
  int status = -1;
  std::string said;
};

Ended run(const std::string& command) {
  Ended ended;
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  std::array<char, 4096> part;
  while (const size_t n = fread(part.data(), 1, part.size(), pipe))
    ended.said.append(part.data(), n);
  ended.status = WEXITSTATUS(pclose(pipe));
  return ended;
}

constexpr char kRefused[] = "asks for what is not taken unseen";

class ImageNamesProgramsForDom0 : public testing::Test {
 protected:
  // Stops after the configuration: there is no Xen, or no such guest.
  Ended restore(const std::string& config, const std::string& options = "") {
    Bytes file = encode_xl_header({kXlFlagJson | kXlFlagStreamV2, config});
    for (const Bytes& part : {test::sample_image(0), encode_libxl_end()})
      file.insert(file.end(), part.begin(), part.end());
    const test::TempFile saved(file);
    return run("FERRY_STATE_DIR=" + folder_.path("jobs") + " FERRY_DISK_FOLDERS=/srv " +
               "FERRY_XL=false " + std::string(HOST_PROGRAM) + " restore " + options + " " +
               saved.path());
  }

  TestFolder folder_;
};

TEST_F(ImageNamesProgramsForDom0, restore_refuses_it_by_its_key) {
  for (const test::DangerousConfig& config : test::dangerous_configs()) {
    const Ended ended = restore(config.json());
    EXPECT_EQ(ended.status, 1) << config.patch;
    EXPECT_THAT(ended.said, AllOf(HasSubstr(kRefused), HasSubstr(config.key))) << config.patch;
  }
}

TEST_F(ImageNamesProgramsForDom0, unless_the_operator_vouches_for_it) {
  const std::string config = test::dangerous_configs().front().json();
  EXPECT_THAT(restore(config).said, HasSubstr("--trust-config"));
  EXPECT_THAT(restore(config, "--trust-config").said, Not(HasSubstr(kRefused)));
}

TEST_F(ImageNamesProgramsForDom0, or_gives_another_configuration) {
  const std::string own = folder_.path("own.json");
  nlohmann::ordered_json ordinary = test::ordinary_config();
  std::ofstream(own) << ordinary.dump();
  const std::string config = test::dangerous_configs().front().json();
  EXPECT_THAT(restore(config, "--config " + own).said, Not(HasSubstr(kRefused)));
  EXPECT_THAT(restore(config, "--config " + folder_.path("none")).said, HasSubstr("none"));
  std::ofstream(folder_.path("web1.cfg")) << "name = \"web1\"\n";
  EXPECT_THAT(restore(config, "--config " + folder_.path("web1.cfg")).said,
              HasSubstr("xl makes no sense of"))
      << "for xl, which here is a program that only fails";
}

}  // namespace
}  // namespace ferry
