// What of a configuration is taken unseen, by key and value, and what is not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "config/judge_config.h"
#include "config/own_mark.h"
#include "tests/config/dangerous_configs.h"
#include "tests/files/folder.h"

namespace ferry {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

const TrustPlaces kByName = {.kernels = {"/boot", "/srv"},
                             .disks = {"/srv", "/dev/dm-*"},
                             .scripts = "/etc/xen/scripts",
                             .here = false};

JudgedConfig judge(const std::string& text, const TrustPlaces& places = kByName) {
  return judge_config(text, Errc::bad_image, "it", places);
}

std::string refusal(const std::string& text, const TrustPlaces& places = kByName) {
  try {
    require_trust(judge(text, places), "it", "or else");
    return {};
  } catch (const Error& e) {
    return e.what();
  }
}

std::string with(const std::string& patch) {
  return test::DangerousConfig{"", patch}.json();
}

TEST(JudgeConfig, an_ordinary_guest_passes_as_it_is) {
  const JudgedConfig judged = judge(test::ordinary_config().dump());
  EXPECT_TRUE(judged.findings.empty()) << finding_in_words(judged.findings.front());
  EXPECT_EQ(judged.json, test::ordinary_config());
  EXPECT_TRUE(judged.dropped.empty());
  EXPECT_EQ(refusal(with(R"({"b_info": {"kernel": null, "ramdisk": null, "bootloader": "pygrub",
                            "bootloader_args": ["--kernel=/vmlinuz", "-q"]}})")),
            "");
  EXPECT_EQ(refusal(with(R"({"vfbs": [{"vnc": {"enable": "True", "listen": "127.0.0.1"}}],
                             "vkbs": [{"devid": 0}]})")),
            "");
  EXPECT_EQ(refusal(with(R"({"disks": [{"pdev_path": "/dev/dm-3", "vdev": "xvda"}]})")), "");
}

// What libxl 4.17 itself says of a guest with a disk and an interface once it runs.
TEST(JudgeConfig, a_guest_as_libxl_tells_of_it_passes_as_it_is) {
  const std::string text = R"({
    "c_info": {"type": "pv", "name": "web1", "domid": 4294967295,
               "uuid": "ff24cf05-f2d4-4140-b21f-3829c912820d", "run_hotplug_scripts": "True"},
    "b_info": {"max_vcpus": 2, "avail_vcpus": [0, 1], "max_memkb": 131072, "target_memkb": 131072,
               "video_memkb": 0, "sched_params": {"sched": "credit2", "weight": 256, "cap": 0},
               "claim_mode": "True", "kernel": "/boot/vmlinuz", "cmdline": "console=hvc0 \"x y\"",
               "ramdisk": "/boot/initrd", "type.pv": {}, "arch_arm": {},
               "arch_x86": {"msr_relaxed": "False"}},
    "disks": [{"pdev_path": "/dev/dm-3", "vdev": "xvda", "format": "raw", "readwrite": 1,
               "colo_restore_enable": "False"}],
    "nics": [{"devid": 0, "mac": "00:16:3e:00:00:01", "bridge": "xenbr0", "nictype": "vif"}],
    "on_reboot": "restart", "on_crash": "preserve", "on_soft_reset": "soft_reset"})";
  EXPECT_EQ(refusal(text), "");
  EXPECT_TRUE(judge(text).dropped.empty());
}

TEST(JudgeConfig, each_dangerous_one_is_refused_by_its_key) {
  EXPECT_GE(test::dangerous_configs().size(), 60u);
  for (const test::DangerousConfig& config : test::dangerous_configs())
    EXPECT_THAT(refusal(config.json()), HasSubstr(config.key)) << config.patch;
}

TEST(JudgeConfig, a_refusal_names_the_value_and_the_way_out) {
  EXPECT_EQ(refusal(with(R"({"b_info": {"device_model": "/tmp/qemu"}})")),
            "it asks for what is not taken unseen: b_info.device_model \"/tmp/qemu\": it names a "
            "program that dom0 would run (or else)");
  EXPECT_THAT(refusal(with(R"({"b_info": {"device_model": "\u001b[2J", "irqs": [1]}})")),
              HasSubstr("control character"));
}

TEST(JudgeConfig, a_key_that_comes_twice_is_refused) {
  const std::string twice = R"({"c_info": {"name": "a", "name": "b"}})";
  EXPECT_THAT(refusal(twice), HasSubstr("the key name twice"));
  EXPECT_THAT(refusal(R"({"c_info": {}, "c_info": {"name": "a"}})"), HasSubstr("c_info twice"));
  EXPECT_THAT(refusal(R"({"c_info": {}, "nics": [{"scr\u0069pt": "a", "script": "/tmp/x"}]})"),
              HasSubstr("script twice"))
      << "the same key, written in two ways";
  EXPECT_EQ(refusal(R"({"c_info": {}, "nics": [{"script": "a"}, {"script": "a"}]})"), "");
}

TEST(JudgeConfig, keys_that_libxl_does_not_know_are_dropped_and_named) {
  const JudgedConfig judged = judge(
      with(R"({"Pcidevs": [{"bus": 1}], "b_info": {"DEVICE_MODEL": "/tmp/x", "kernel ": "x"}})"));
  EXPECT_TRUE(judged.findings.empty());
  EXPECT_EQ(judged.json, test::ordinary_config());
  EXPECT_THAT(judged.dropped, ElementsAre("b_info.DEVICE_MODEL", "b_info.kernel ", "Pcidevs"));
}

TEST(JudgeConfig, values_of_another_form_than_libxl_reads_are_refused) {
  for (const char* patch :
       {R"({"disks": [{"backend_domid": "3"}]})", R"({"b_info": {"max_vcpus": "2"}})",
        R"({"b_info": {"max_vcpus": 2.0}})", R"({"b_info": {"max_vcpus": 5000000000}})",
        R"({"b_info": {"kernel": 5}})", R"({"b_info": {"kernel": ["/boot/a"]}})",
        R"({"c_info": {"driver_domain": true}})", R"({"c_info": {"driver_domain": "Truely"}})",
        R"({"disks": {"0": {}}})", R"({"disks": ["x"]})", R"({"b_info": []})",
        R"({"b_info": {"extra": "-x"}})", R"({"b_info": {"extra": [5]}})",
        R"({"b_info": {"irqs": [-1]}})", R"({"b_info": {"rtc_timeoffset": -1}})",
        R"({"b_info": {"cpuid": [{"leaf": {}}]}})", R"({"on_crash": 1})",
        R"({"c_info": {"xsdata": ["a"]}})", R"({"b_info": {"cmdline": "a\u0000b"}})"})
    EXPECT_THAT(refusal(with(patch)), HasSubstr("makes no sense")) << patch;
}

TEST(JudgeConfig, only_pv_guests_are_made_even_for_those_who_are_trusted) {
  for (const char* patch : {R"({"c_info": {"type": "hvm"}})", R"({"b_info": {"type.hvm": {}}})",
                            R"({"b_info": {"type.pvh": {"pvshim_path": "/tmp/x"}}})"})
    EXPECT_THROW(judge(with(patch)), Error) << patch;
}

class JudgeConfigHere : public testing::Test {
 protected:
  JudgeConfigHere() {
    for (const char* name : {"boot", "disks", "scripts", "away"})
      fs::create_directory(folder_.path(name));
  }
  void file(const std::string& name, const std::string& content = "x") {
    std::ofstream(folder_.path(name)) << content;
  }
  std::string kernel(const std::string& name) {
    return fault_of_kernel(folder_.path(name), places_);
  }
  std::string disk(const std::string& name, const std::string& format = "raw") {
    return fault_of_disk(folder_.path(name), format, "", places_);
  }

  TestFolder folder_;
  const TrustPlaces places_ = {.kernels = {folder_.path("boot")},
                               .disks = {folder_.path("disks"), "/dev"},
                               .scripts = folder_.path("scripts"),
                               .owner = geteuid()};
};

TEST_F(JudgeConfigHere, a_path_is_where_it_leads) {
  file("boot/vmlinuz");
  file("away/secret");
  fs::create_symlink(folder_.path("away/secret"), folder_.path("boot/link"));
  fs::create_symlink("vmlinuz", folder_.path("boot/inside"));
  fs::create_directory_symlink(folder_.path("away"), folder_.path("boot/sub"));
  EXPECT_EQ(kernel("boot/vmlinuz"), "");
  EXPECT_EQ(kernel("boot/inside"), "");
  EXPECT_EQ(kernel("boot/not-there-yet"), "");
  EXPECT_THAT(kernel("boot/link"), AllOf(HasSubstr("leads to"), HasSubstr("away/secret")));
  EXPECT_THAT(kernel("boot/sub/secret"), HasSubstr("outside of"));
  EXPECT_THAT(kernel("boot/../away/secret"), HasSubstr("outside of"));
  EXPECT_THAT(kernel("boot"), HasSubstr("outside of")) << "the folder itself";
  EXPECT_THAT(kernel("boot2/x"), HasSubstr("outside of")) << "a folder whose name begins so";
}

TEST_F(JudgeConfigHere, a_script_is_roots_own_and_in_its_folder) {
  file("scripts/vif-bridge");
  EXPECT_EQ(fault_of_script("vif-bridge", places_), "");
  EXPECT_EQ(fault_of_script(folder_.path("scripts/vif-bridge"), places_), "");
  EXPECT_EQ(fault_of_script("missing", places_), "it is not there");
  file("away/vif");
  fs::create_symlink(folder_.path("away/vif"), folder_.path("scripts/link"));
  EXPECT_THAT(fault_of_script("link", places_), HasSubstr("outside of"));
  TrustPlaces others = places_;
  others.owner = geteuid() + 1;
  EXPECT_THAT(fault_of_script("vif-bridge", others), HasSubstr("belongs to user"));
  fs::permissions(folder_.path("scripts/vif-bridge"), fs::perms::others_write,
                  fs::perm_options::add);
  EXPECT_EQ(fault_of_script("vif-bridge", places_), "others may write to it");
}

TEST_F(JudgeConfigHere, a_disk_names_no_other_file_and_is_nobodys_own) {
  std::string qcow2(104, '\0');
  qcow2.replace(0, 4, "QFI\xfb");
  qcow2[7] = 3;
  file("disks/plain", qcow2);
  EXPECT_EQ(disk("disks/plain", "qcow2"), "");
  std::string external = qcow2;
  external[79] = 4;
  file("disks/external", external);
  EXPECT_THAT(disk("disks/external", "qcow2"), HasSubstr("has its data"));
  qcow2[15] = 104;
  file("disks/based", qcow2);
  EXPECT_THAT(disk("disks/based", "qcow2"), HasSubstr("based on"));
  EXPECT_EQ(disk("disks/based"), "") << "raw bytes name nothing";
  file("disks/no");
  EXPECT_EQ(disk("disks/no", "qcow2"), "it is no qcow2 image");
  EXPECT_THAT(disk("disks"), HasSubstr("outside of"));
  EXPECT_EQ(fault_of_disk("/dev/null", "raw", "", places_),
            "it is neither a file nor a block device");
  EXPECT_EQ(fault_of_disk("/dev/none", "raw", "", places_), "it is not there");
}

class OwnMark : public testing::Test {
 protected:
  void SetUp() override { setenv("FERRY_STATE_DIR", folder_.path("jobs").c_str(), 1); }
  void TearDown() override { unsetenv("FERRY_STATE_DIR"); }
  std::string key() const { return folder_.path("jobs/config.key"); }
  TestFolder folder_;
};

TEST_F(OwnMark, is_of_this_host_and_of_this_text) {
  EXPECT_FALSE(is_own_mark(std::string(32, 'a'), "text")) << "without a key";
  EXPECT_FALSE(fs::exists(key())) << "looking makes none";
  const std::string mark = own_mark("text");
  EXPECT_EQ(mark, own_mark("text"));
  EXPECT_TRUE(is_own_mark(mark, "text"));
  EXPECT_FALSE(is_own_mark(mark, "text "));
  EXPECT_FALSE(is_own_mark(mark.substr(1), "text"));
  EXPECT_FALSE(is_own_mark("", "text"));
  EXPECT_EQ(fs::status(key()).permissions(), fs::perms::owner_read | fs::perms::owner_write);
  fs::remove(key());
  EXPECT_NE(own_mark("text"), mark) << "another host's key";
  EXPECT_FALSE(is_own_mark(mark, "text"));
}

TEST_F(OwnMark, needs_a_key_that_only_its_owner_reads) {
  const std::string mark = own_mark("text");
  fs::permissions(key(), fs::perms::others_read, fs::perm_options::add);
  EXPECT_FALSE(is_own_mark(mark, "text"));
  EXPECT_THROW(own_mark("text"), Error);
}

}  // namespace
}  // namespace ferry
