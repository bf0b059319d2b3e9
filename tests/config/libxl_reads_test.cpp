// What libxl itself reads of a configuration that was written anew is what was judged: by the
// parser of the libxl that this was built with.
#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

extern "C" {
#include <libxl.h>
#include <xenctrl.h>
#include <xenstore.h>
}

#include "config/json_text.h"
#include "config/judge_config.h"
#include "tests/config/dangerous_configs.h"

// libxl wants Xen and xenstore before it parses a line; it gets a handle of each that is nothing's.
extern "C" {
xc_interface* xc_interface_open(xentoollog_logger* logger, xentoollog_logger* dombuild,
                                unsigned flags) {
  using Open = xc_interface* (*)(xentoollog_logger*, xentoollog_logger*, unsigned);
  const auto real = reinterpret_cast<Open>(dlsym(RTLD_NEXT, "xc_interface_open"));
  return real(logger, dombuild, flags | XC_OPENFLAG_DUMMY);
}
xs_handle* xs_open(unsigned long) {
  static char nothing;
  return reinterpret_cast<xs_handle*>(&nothing);
}
void xs_close(xs_handle*) {
}
}

namespace ferry {
namespace {

using Json = nlohmann::ordered_json;

const TrustPlaces kByName = {
    .kernels = {"/boot", "/srv"}, .disks = {"/srv"}, .scripts = "/etc/xen/scripts", .here = false};

class LibxlReads : public testing::Test {
 protected:
  void SetUp() override {
    logger_ =
        reinterpret_cast<xentoollog_logger*>(xtl_createlogger_stdiostream(stderr, XTL_CRITICAL, 0));
    ASSERT_EQ(libxl_ctx_alloc(&ctx_, LIBXL_VERSION, 0, logger_), 0);
  }
  void TearDown() override {
    libxl_ctx_free(ctx_);
    xtl_logger_destroy(logger_);
  }

  // What libxl makes of it, written by libxl; null if it refuses it.
  Json read(const std::string& text) {
    libxl_domain_config config;
    libxl_domain_config_init(&config);
    Json made;
    if (libxl_domain_config_from_json(ctx_, &config, text.c_str()) == 0) {
      const std::unique_ptr<char, void (*)(void*)> json(libxl_domain_config_to_json(ctx_, &config),
                                                        free);
      if (json) made = Json::parse(json.get());
    }
    libxl_domain_config_dispose(&config);
    return made;
  }

  static JudgedConfig judge(const std::string& text) {
    return judge_config(text, Errc::bad_image, "it", kByName);
  }

  xentoollog_logger* logger_ = nullptr;
  libxl_ctx* ctx_ = nullptr;
};

TEST_F(LibxlReads, an_ordinary_configuration_loses_nothing) {
  const std::string text = test::ordinary_config().dump();
  const Json direct = read(text);
  ASSERT_TRUE(direct.is_object());
  EXPECT_EQ(direct["disks"][0]["pdev_path"], "/srv/web1/disk.img") << "it is read at all";
  EXPECT_EQ(read(json_text(judge(text).json, -1)), direct);
}

// Also of what is refused, for those who are trusted with it; and libxl has all that was found.
TEST_F(LibxlReads, the_dangerous_ones_are_as_dangerous_to_libxl) {
  unsigned understood = 0;
  for (const test::DangerousConfig& config : test::dangerous_configs()) {
    const Json direct = read(config.json());
    ASSERT_TRUE(direct.is_object()) << config.patch;
    const JudgedConfig judged = judge(config.json());
    EXPECT_EQ(read(json_text(judged.json, -1)), direct) << config.patch;
    // libxl leaves out what is its own default, and what only newer ones know.
    const JudgedConfig again = judge(direct.dump());
    understood += !again.findings.empty();
    for (const ConfigFinding& finding : again.findings)
      EXPECT_THAT(finding.key, testing::HasSubstr(config.key)) << config.patch;
  }
  EXPECT_GE(understood, 60u);
}

// Each of these either is refused, or libxl reads nothing of what it was not judged for.
TEST_F(LibxlReads, no_trick_shows_libxl_something_else) {
  const std::string tricks[] = {
      R"({"c_info": {"name": "a"}, "B_INFO": {"device_model": "/tmp/x"}})",
      R"({"c_info": {"name": "a"}, "b_info": {"Device_Model": "/tmp/x", "KERNEL": "/etc/shadow"}})",
      R"({"c_info": {"name": "a"}, "b_info\u0000": {"device_model": "/tmp/x"}})",
      R"({"c_info": {"name": "a"}, "b_info": {"device_model\u0000x": "/tmp/x"}})",
      R"({"c_info": {"name": "a"}, "b_info": {"device\u005fmodel": "/tmp/x"}})",
      R"({"c_info": {"name": "a"}, "b_info": {"kernel": "/etc/shadow\u0000/boot/x"}})",
      R"({"c_info": {"name": "a"}, "b_info": {"kernel": "/etc/shadow", "kernel": "/boot/x"}})",
      R"({"c_info": {"name": "a"}, "b_info": {"kernel": 1, "kernel": "/etc/shadow"}})",
      R"({"c_info": {"name": "a"}, "disks": [{"backend_domid": "7"}]})",
      R"({"c_info": {"name": "a"}, "disks": [{"backend_domid": 7.0}]})",
      R"({"c_info": {"name": "a"}, "disks": [{"backend_domid": 7e0}]})",
      R"({"c_info": {"name": "a"}, "disks": [{"backend_domid": 4294967303}]})",
      R"({"c_info": {"name": "a"}, "disks": [{"backend_domid": 18446744073709551623}]})",
      R"({"c_info": {"name": "a", "driver_domain": "Truely"}})",
      R"({"c_info": {"name": "a", "passthrough": "ENABLED"}})",
      R"({"c_info": {"name": "a"}, "b_info": {"type.pv": {"kernel": "/etc/shadow"}}})",
      R"({"c_info": {"name": "a"}, "b_info": null, "b_info": {"device_model": "/tmp/x"}})",
      R"({"c_info": {"name": "a"}, "pcidevs": [[]], "nics": [null]})",
  };
  for (const std::string& trick : tricks) {
    try {
      const JudgedConfig judged = judge(trick);
      if (!judged.findings.empty()) continue;
      const Json seen = read(json_text(judged.json, -1));
      ASSERT_TRUE(seen.is_object()) << trick;
      EXPECT_TRUE(judge(seen.dump()).findings.empty()) << trick << " became " << seen.dump();
    } catch (const Error&) {
    }
  }
}

}  // namespace
}  // namespace ferry
