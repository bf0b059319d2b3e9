// What the image commands print with --json is what docs/schema/ says.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "proto/xl_wrapper.h"
#include "tests/audit/corruption.h"
#include "tests/audit/run_program.h"
#include "tests/delta/make_delta.h"
#include "tests/evidence/fake_linux.h"
#include "tests/html/sample_guests.h"

namespace ferry::test {
namespace {

namespace fs = std::filesystem;
using G = TestGuest;
using testing::HasSubstr;

class Schema : public testing::Test {
 protected:
  Schema() : folder_(fs::temp_directory_path() / fmt::format("ferry-schema-{}", ::getpid())) {
    fs::create_directories(folder_ / "chain");
  }
  ~Schema() override { fs::remove_all(folder_); }

  std::string write(const std::string& name, std::span<const std::byte> bytes) {
    const std::string path = folder_ / name;
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
    return path;
  }
  std::string write(const std::string& name, const TestGuest& guest) {
    return write(name, build(guest));
  }
  // Images of all sorts.
  std::vector<std::string> images();

  // Keeps what the command prints as a document of this schema.
  void say(const std::string& schema, std::vector<std::string> words) {
    words.insert(words.begin(), FERRY_PROGRAM);
    words.push_back("--json");
    const Outcome outcome = run_program(words);
    ASSERT_FALSE(outcome.out.empty()) << fmt::format("{}: {}", words[1], outcome.err);
    auto& documents = documents_[schema];
    documents.push_back(fmt::format("{}/{}-{}.json", folder_.string(), schema, documents.size()));
    std::ofstream(documents.back()) << outcome.out;
  }
  Outcome validate(const std::string& schema) {
    std::vector<std::string> words = {FERRY_PYTHON, FERRY_VALIDATE,
                                      FERRY_SCHEMAS "/" + schema + ".json"};
    words.insert(words.end(), documents_[schema].begin(), documents_[schema].end());
    return run_program(words);
  }
  void expect_valid(const std::string& schema, size_t least) {
    EXPECT_GE(documents_[schema].size(), least);
    const Outcome outcome = validate(schema);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.out << outcome.err;
  }

  fs::path folder_;
  std::map<std::string, std::vector<std::string>> documents_;
};

Bytes in_xl_file(const Bytes& image) {
  Bytes bytes = encode_xl_header({.mandatory_flags = kXlFlagJson | kXlFlagStreamV2,
                                  .config = R"({"c_info": {"name": "from-xl", "type": "pv"}})"});
  bytes.insert(bytes.end(), image.begin(), image.end());
  const Bytes end = encode_libxl_end();
  bytes.insert(bytes.end(), end.begin(), end.end());
  return bytes;
}

std::vector<std::string> Schema::images() {
  TestGuest tree;
  tree.use_tree();
  std::vector<std::string> all = {write("plain", TestGuest()), write("tree", tree),
                                  write("live", live_guest(5)), write("hostile", hostile_guest()),
                                  write("xl", in_xl_file(build(TestGuest())))};
  Random random(5);
  for (unsigned i = 0; i < 40; ++i) {
    TestGuest guest;
    corrupt(guest, random);
    all.push_back(write(fmt::format("corrupt-{}", i), guest));
  }
  return all;
}

TEST_F(Schema, of_audit_holds_for_images_of_all_sorts) {
  for (const std::string& image : images())
    for (const std::string level : {"digests", "full"})
      say("audit", {"audit", "--level", level, image});
  Bytes cut = build(TestGuest());
  cut.resize(cut.size() - 100);
  say("audit", {"audit", write("cut", cut)});
  say("audit", {"audit", write("none", Bytes())});
  expect_valid("audit", 90);
}

TEST_F(Schema, of_rules_holds) {
  say("rules", {"audit", "--rules"});
  say("rules", {"audit", "--explain", "pt.flags"});
  expect_valid("rules", 2);
}

TEST_F(Schema, of_inspect_holds_for_images_of_all_sorts) {
  for (const std::string name : {"plain", "tree", "live", "hostile", "xl"}) {
    images();
    say("inspect", {"inspect", folder_ / name});
    say("inspect", {"inspect", "--pages", folder_ / name});
  }
  expect_valid("inspect", 10);
}

TEST_F(Schema, of_cat_and_walk_holds) {
  const std::string image = write("plain", TestGuest());
  say("cat", {"cat", image, "20..53"});
  say("cat", {"cat", "--user", "--vaddr", fmt::format("{:#x}", 511ull << 30 | 7 << 21 | 100 << 12),
              "--length", "5000", image});
  expect_valid("cat", 2);
  for (const uint64_t address : {uint64_t{511} << 30 | 7 << 21 | 100 << 12, uint64_t{0x1000},
                                 uint64_t{1} << 47, 0xffff800000000000})
    say("walk", {"walk", "--user", image, fmt::format("{:#x}", address)});
  expect_valid("walk", 4);
}

TEST_F(Schema, of_convert_holds) {
  TestGuest guest;  // Xen's format cannot say that the p2m's root is page 0
  for (const uint64_t pfn : {G::kUserL4, G::kKernelL4}) guest.page(pfn).kind = v1::L4_PINNED;
  guest.head.set_p2m_root_pfn(G::kUserL4);
  guest.set_shared_info(3112, G::kUserL4 << 12);
  say("convert", {"convert", "--to", "libxc", write("plain", guest), folder_ / "stream"});
  say("convert", {"convert", folder_ / "stream", folder_ / "back"});
  guest.config.emplace().set_libxl_json(R"({"c_info": {"name": "web1"}})");
  say("convert", {"convert", write("with-config", guest), folder_ / "file"});
  say("convert", {"convert", "--to", "ferry-xl", folder_ / "file", folder_ / "wrapped"});
  say("convert", {"convert", "--to", "libxc", folder_ / "wrapped", folder_ / "again"});
  expect_valid("convert", 5);
}

TEST_F(Schema, of_core_dmesg_ps_and_find_holds) {
  TestGuest guest;
  FakeLinux kernel(guest);
  kernel.put_log({{.text = "one"}, {.level = 3, .text = "two\nlines\x1b\xff"}, {}}, 3, 10);
  kernel.put_processes({{.pid = 1, .command = "init\xff"}, {.pid = 2, .kernel = true}}, true);
  kernel.finish();
  const std::string image = write("kernel", guest);
  say("core", {"core", image, folder_ / "core"});
  say("core", {"core", "--as-is", image, folder_ / "core"});
  say("core", {"core", write("plain", TestGuest()), folder_ / "core"});
  expect_valid("core", 3);
  say("dmesg", {"dmesg", image});
  say("find", {"find", image, "two"});
  say("find", {"find", "--limit", "1", image, "VMCOREINFO"});
  say("find", {"find", image, "is nowhere"});
  expect_valid("find", 3);
  expect_valid("dmesg", 1);
  say("ps", {"ps", image});
  expect_valid("ps", 1);
}

TEST_F(Schema, of_diff_holds) {
  const std::vector<std::string> all = images();
  TestGuest configured;
  configured.config.emplace().set_libxl_json(
      R"({"c_info": {"name": "web1"}, "b_info": {"max_vcpus": 2}})");
  configured.unmentioned = {20, 21};
  const std::string other = write("configured", configured);
  for (size_t i = 0; i < all.size(); i += 3) {
    say("diff", {"diff", other, all[i]});
    say("diff", {"diff", "--limit", "1", all[i], all[0]});
  }
  expect_valid("diff", 20);
}

TEST_F(Schema, of_squash_and_verify_holds) {
  const Bytes whole = build(TestGuest());
  const std::string base = write("chain/base", whole);
  TestGuest next;
  next.page(G::kData).words[0] = 7;
  const Bytes delta = delta_of(ImageFile::open(base), whole, build(next));
  const std::string newest = write("chain/delta", delta);
  say("squash", {"squash", base, newest, folder_ / "out"});
  say("squash", {"squash", base, folder_ / "out"});
  expect_valid("squash", 2);
  say("verify", {"verify", folder_ / "chain"});
  Bytes damaged = delta;
  damaged[damaged.size() / 2] ^= std::byte{1};
  write("chain/damaged", damaged);
  write("chain/no-image", Bytes(5));
  fs::remove(base);
  say("verify", {"verify", folder_ / "chain"});
  fs::create_directory(folder_ / "empty");
  say("verify", {"verify", folder_ / "empty"});
  expect_valid("verify", 3);
}

// The check itself would see it.
TEST_F(Schema, does_not_allow_a_key_that_it_does_not_name) {
  say("walk", {"walk", write("plain", TestGuest()), "0x1000"});
  std::ifstream in(documents_["walk"][0]);
  std::string text{std::istreambuf_iterator<char>(in), {}};
  text.replace(text.find("\"vcpu\""), 6, "\"cpus\"");
  std::ofstream(documents_["walk"][0]) << text;
  const Outcome outcome = validate("walk");
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.out, HasSubstr("'cpus' was unexpected"));
  EXPECT_THAT(outcome.out, HasSubstr("'vcpu' is a required property"));
}

TEST_F(Schema, is_there_for_each_command_and_named_in_the_docs) {
  size_t schemas = 0;
  for (const auto& file : fs::directory_iterator(FERRY_SCHEMAS)) {
    ++schemas;
    std::ifstream in(FERRY_SCHEMAS "/../json.md");
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    EXPECT_THAT(text, HasSubstr(file.path().filename().string()));
  }
  EXPECT_EQ(schemas, 13u);
}

}  // namespace
}  // namespace ferry::test
