// The image commands on a small image of a whole guest, for tests that run them.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/audit/image_builder.h"
#include "tests/audit/run_program.h"

namespace ferry::test {

class SandboxedPrograms : public testing::Test {
 protected:
  SandboxedPrograms()
      : folder_(std::filesystem::temp_directory_path() / fmt::format("ferry-box-{}", ::getpid())) {
    std::filesystem::create_directories(folder_);
    TestGuest guest;
    guest.head.set_p2m_root_pfn(TestGuest::kUserL4);  // Xen's format cannot say page 0
    const Bytes bytes = build(guest);
    image_ = folder_ / "a.ferry";
    std::ofstream(image_, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
  }
  ~SandboxedPrograms() override { std::filesystem::remove_all(folder_); }

  std::vector<std::vector<std::string>> commands() const {
    const std::string other = folder_ / "other";
    return {{"audit", image_},
            {"inspect", "--pages", image_},
            {"inspect", "--html", other, image_},
            {"walk", image_, "0xffffffff81000000"},
            {"cat", image_, "0x14"},
            {"core", image_, other},
            {"diff", image_, image_},
            {"find", "--as", "regex", image_, "a+"},
            {"squash", image_, other},
            {"verify", folder_},
            {"convert", "--to", "libxc", image_, other}};
  }
  // What a command reads, as it calls it.
  std::string read_by(const std::vector<std::string>& words) const {
    return words.front() == "verify" ? folder_.string() : image_;
  }
  // The audit finds something.
  static bool failed(const Outcome& outcome) {
    return outcome.exit_code != 0 && outcome.exit_code != 3;
  }
  static Outcome ferry(std::vector<std::string> words) {
    words.insert(words.begin(), FERRY_PROGRAM);
    return run_program(words);
  }

  std::filesystem::path folder_;
  std::string image_;
};

}  // namespace ferry::test
