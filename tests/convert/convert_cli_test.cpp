// ferry convert as a program: files of xl, what is kept of them, and what is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "proto/image_file.h"
#include "tests/audit/image_builder.h"
#include "tests/audit/run_program.h"

namespace ferry::test {
namespace {

using nlohmann::json;
using testing::HasSubstr;

class ConvertCommand : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / ("ferry-ccli-" + std::to_string(::getpid()));
    std::filesystem::create_directory(folder_);
    TestGuest guest;
    // The root of the p2m elsewhere than at page 0, which a stream of Xen's cannot name.
    guest.page(TestGuest::kUserL4).words[TestGuest::kP2mVaddr >> 39 & 511] =
        table_entry(TestGuest::kP2mL3);
    guest.head.set_p2m_root_pfn(TestGuest::kUserL4);
    guest.set_shared_info(3112, TestGuest::kUserL4 << 12);
    guest.config.emplace();
    guest.config->set_libxl_json(kJson);
    guest.config->set_name("web1");
    write("web1.ferry", build(guest));
    write("bare.ferry", build(TestGuest()));
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string path(const std::string& name) const { return folder_ / name; }
  void write(const std::string& name, const Bytes& bytes) {
    std::ofstream out(path(name), std::ios::binary);
    out.write(reinterpret_cast<const char*>(bytes.data()),
              static_cast<std::streamsize>(bytes.size()));
  }
  Outcome convert(const std::string& from, const std::string& to,
                  const std::vector<std::string>& options = {}) {
    std::vector<std::string> words{FERRY_PROGRAM, "convert", path(from), to == "-" ? to : path(to)};
    words.insert(words.end(), options.begin(), options.end());
    return run_program(words);
  }
  Outcome ferry(const std::string& command, const std::string& file) {
    return run_program({FERRY_PROGRAM, command, path(file)});
  }

  static constexpr const char* kJson =
      R"({"c_info":{"name":"web1","uuid":"11111111-2222-3333-4444-555555555555"}})";
  std::filesystem::path folder_;
};

TEST_F(ConvertCommand, there_and_back_keeps_guest_and_configuration) {
  ASSERT_EQ(convert("web1.ferry", "web1.save").exit_code, 0);
  const Outcome back = convert("web1.save", "again.ferry", {"--json"});
  ASSERT_EQ(back.exit_code, 0) << back.err;
  EXPECT_EQ(json::parse(back.out)["from"], "xl");
  EXPECT_EQ(ferry("audit", "again.ferry").exit_code, 0) << ferry("audit", "again.ferry").out;
  const Outcome inspect = ferry("inspect", "again.ferry");
  EXPECT_THAT(inspect.out, HasSubstr("guest    web1\n"));
  EXPECT_THAT(inspect.out, HasSubstr("11111111-2222-3333-4444-555555555555"));
  EXPECT_THAT(inspect.out,
              HasSubstr("a libxc stream of version 3, from Xen 4.17, in a file of xl"));
  const ImageFile a = ImageFile::open(path("web1.ferry")), b = ImageFile::open(path("again.ferry"));
  for (uint64_t pfn = 0; pfn < TestGuest::kPfns; ++pfn) {
    std::array<std::byte, kPageSize> x{}, y{};
    EXPECT_EQ(a.read_page(pfn_t(pfn), x), b.read_page(pfn_t(pfn), y)) << pfn;
    EXPECT_EQ(x, y) << pfn;
  }
  ASSERT_EQ(convert("web1.save", "wrapped.save", {"--to", "ferry-xl"}).exit_code, 0);
  EXPECT_EQ(ferry("audit", "wrapped.save").exit_code, 0);
  EXPECT_TRUE(ImageFile::open(path("wrapped.save")).place().in_xl_file);
}

TEST_F(ConvertCommand, writes_files_for_their_owner_only_and_whole_or_not_at_all) {
  ASSERT_EQ(convert("web1.ferry", "web1.save").exit_code, 0);
  struct stat status = {};
  ASSERT_EQ(stat(path("web1.save").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  std::filesystem::resize_file(path("web1.save"), status.st_size - 9);
  const Outcome cut = convert("web1.save", "cut.ferry");
  EXPECT_EQ(cut.exit_code, 3);
  EXPECT_FALSE(std::filesystem::exists(path("cut.ferry")));
}

TEST_F(ConvertCommand, standard_output_gets_the_bytes_alone) {
  ASSERT_EQ(convert("web1.ferry", "web1.xc", {"--to", "libxc"}).exit_code, 0);
  const Outcome piped = convert("web1.ferry", "-", {"--to", "libxc"});
  EXPECT_EQ(piped.exit_code, 0);
  EXPECT_EQ(piped.out.size(), std::filesystem::file_size(path("web1.xc")));
}

TEST_F(ConvertCommand, says_what_it_cannot_do) {
  EXPECT_THAT(convert("bare.ferry", "x").err, HasSubstr("has no configuration"));
  EXPECT_EQ(convert("bare.ferry", "x").exit_code, 2);
  EXPECT_THAT(convert("web1.ferry", "x", {"--to", "ferry"}).err, HasSubstr("already"));
  EXPECT_THAT(convert("bare.ferry", "x", {"--to", "libxc"}).err, HasSubstr("page 0"));
  write("noise", Bytes(100, std::byte{7}));
  EXPECT_EQ(convert("noise", "x").exit_code, 3);
  EXPECT_EQ(convert("nothing", "x").exit_code, 1);
  EXPECT_FALSE(std::filesystem::exists(path("x")));
}

}  // namespace
}  // namespace ferry::test
