// ferry core, ferry dmesg, ferry ps, ferry find, ferry diff: what the programs print and leave
// behind.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/audit/run_program.h"
#include "tests/evidence/fake_linux.h"

namespace ferry::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;

class EvidencePrograms : public testing::Test {
 protected:
  EvidencePrograms()
      : folder_(fs::temp_directory_path() / fmt::format("ferry-evidence-{}", ::getpid())) {
    fs::create_directories(folder_);
  }
  ~EvidencePrograms() override { fs::remove_all(folder_); }

  std::string image(const TestGuest& guest, const std::string& name = "a.ferry") {
    const Bytes bytes = build(guest);
    const fs::path path = folder_ / name;
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
    return path;
  }
  static Outcome ferry(std::vector<std::string> words) {
    words.insert(words.begin(), FERRY_PROGRAM);
    return run_program(words);
  }

  fs::path folder_;
};

TestGuest guest_with_log() {
  TestGuest guest;
  FakeLinux kernel(guest);
  kernel.put_log(
      {{.nanoseconds = 1'234'567'890, .text = "Linux version 6.1"},
       {.nanoseconds = 12'000'000'999, .facility = 1, .level = 4, .text = "two\n\tlines"},
       {.nanoseconds = 99'999'000'000'000, .level = 3, .text = "\x1b[2Jgone\r\xff gr\xc3\xbcn"}},
      3, 10);
  kernel.finish();
  return guest;
}

TEST_F(EvidencePrograms, dmesg_prints_lines_that_cannot_steer_a_terminal) {
  const std::string file = image(guest_with_log());
  const Outcome outcome = ferry({"dmesg", file});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.out,
            "[    1.234567] Linux version 6.1\n"
            "[   12.000000] two\n"
            "[   12.000000] \tlines\n"
            "[99999.000000] \\x1b[2Jgone\\x0d\\xff gr\xc3\xbcn\n");
  EXPECT_THAT(ferry({"dmesg", "--raw", file}).out, HasSubstr("<12>[   12.000000] two\n<12>["));
  const json log = json::parse(ferry({"dmesg", "--json", file}).out);
  EXPECT_EQ(log["release"], "6.1.0-test");
  EXPECT_EQ(log["lost"], 0);
  ASSERT_EQ(log["records"].size(), 3u);
  EXPECT_EQ(log["records"][1]["text"], "two\n\tlines");
  EXPECT_EQ(log["records"][1]["level"], 4);
  EXPECT_EQ(log["records"][2]["nanoseconds"], 99'999'000'000'000);
}

TEST_F(EvidencePrograms, dmesg_says_where_there_is_no_linux) {
  const Outcome outcome = ferry({"dmesg", image(TestGuest())});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err, HasSubstr("no VMCOREINFO was found"));
}

TEST_F(EvidencePrograms, core_is_its_owners_alone_and_whole_or_not_there) {
  const std::string file = image(guest_with_log()), core = folder_ / "core";
  const Outcome outcome = ferry({"core", file, core});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("Linux 6.1.0-test, whose VMCOREINFO is at pfn 0x190"));
  EXPECT_THAT(outcome.out, HasSubstr("is shown as zero"));
  struct stat status = {};
  ASSERT_EQ(stat(core.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  EXPECT_EQ(ferry({"core", file, "-"}).out.size(), static_cast<size_t>(status.st_size));
  EXPECT_EQ(ferry({"core", file, file}).exit_code, 2) << "the image would be gone";

  TestGuest broken = guest_with_log();
  broken.level = 0;
  std::string damaged = image(broken, "b.ferry");
  std::fstream stream(damaged, std::ios::in | std::ios::out | std::ios::binary);
  stream.seekp(100'000);
  stream.put('?');
  stream.close();
  EXPECT_EQ(ferry({"core", damaged, folder_ / "none"}).exit_code, 3);
  EXPECT_FALSE(fs::exists(folder_ / "none"));
}

TEST_F(EvidencePrograms, ps_prints_processes) {
  TestGuest guest;
  FakeLinux kernel(guest);
  kernel.put_processes({{.pid = 1, .virtual_pages = 3, .file_pages = 2, .command = "in\x1bit"},
                        {.pid = 2, .state = 0x402, .kernel = true, .command = "kthreadd"}},
                       false);
  kernel.finish();
  const std::string file = image(guest);
  const Outcome outcome = ferry({"ps", file});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.out,
            "    PID    PPID S    VSZ KiB    RSS KiB  COMMAND\n"
            "      1       0 S         12          8  in\\x1bit\n"
            "      2       0 I          0          0  [kthreadd]\n");
  EXPECT_EQ(json::parse(ferry({"ps", "--json", file}).out)["processes"][0]["resident_bytes"], 8192);
  EXPECT_EQ(ferry({"ps", image(TestGuest())}).exit_code, 1);
}

TEST_F(EvidencePrograms, find_prints_what_is_around_and_no_more_than_asked_for) {
  const std::string file = image(guest_with_log());
  const Outcome outcome = ferry({"find", "--context", "8", file, "[2J"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out,
              MatchesRegex("pfn 0x136 byte 0x[0-9a-f]+ \\|.*\\.\\[2Jgone\\.\\. g\\|\n"));
  const auto lines = [&](std::vector<std::string> words) {
    words.insert(words.begin(), {"find", file});
    const Outcome found = ferry(words);
    EXPECT_EQ(found.exit_code, 0) << found.err;
    return std::count(found.out.begin(), found.out.end(), '\n');
  };
  EXPECT_EQ(lines({"OSRELEASE"}), 1);
  EXPECT_EQ(lines({"no such words"}), 0);
  EXPECT_GT(lines({"SYMBOL("}), 5);
  EXPECT_EQ(lines({"--limit", "5", "SYMBOL("}), 5);
  EXPECT_EQ(lines({"--as", "hex", "4f5352454c45415345"}), 1);
  EXPECT_EQ(lines({"--as", "regex", "OSREL[A-Z]+=6\\.1"}), 1);
  const json found =
      json::parse(ferry({"find", "--json", "--context", "0", file, "OSRELEASE"}).out);
  EXPECT_EQ(found["count"], 1);
  EXPECT_EQ(found["hits"][0]["pfn"], FakeLinux::kNotePfn);
  EXPECT_EQ(found["hits"][0]["offset_bytes"], 24);
  EXPECT_EQ(found["hits"][0]["hex"], "4f5352454c45415345");
  for (const std::vector<std::string>& bad : std::vector<std::vector<std::string>>{
           {""}, {"--as", "hex", "1"}, {"--as", "regex", "("}, {"--as", "else", "x"}})
    EXPECT_EQ(ferry([&] {
                auto words = bad;
                words.insert(words.begin(), {"find", file});
                return words;
              }())
                  .exit_code,
              2)
        << bad.back();
}

TEST_F(EvidencePrograms, find_goes_by_virtual_addresses_where_it_is_told) {
  const std::string file = image(guest_with_log());
  const Outcome outcome = ferry({"find", "--virtual", "--context", "0", file, "OSRELEASE"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "0xffff880000190018 pfn 0x190 byte 0x018 |OSRELEASE|\n");
  const auto hits = [&](std::vector<std::string> words) {
    words.insert(words.begin(), {"find", "--virtual", "--json", file, "OSRELEASE"});
    const Outcome found = ferry(words);
    EXPECT_EQ(found.exit_code, 0) << found.err;
    return json::parse(found.out)["hits"];
  };
  EXPECT_EQ(hits({})[0]["vaddr"], "0xffff880000190018");
  EXPECT_EQ(hits({"--root", "0"}), hits({"--vcpu", "1"}));
  EXPECT_EQ(hits({"--user"}).size(), 0u);
  for (const std::vector<std::string>& bad :
       std::vector<std::vector<std::string>>{{"--virtual", "--vcpu", "7"},
                                             {"--vcpu", "0"},
                                             {"--virtual", "--root", "20"},
                                             {"--virtual", "--root", "0", "--user"}}) {
    std::vector<std::string> words{"find", file, "x"};
    words.insert(words.end(), bad.begin(), bad.end());
    EXPECT_EQ(ferry(words).exit_code, 2) << bad.back();
  }
}

TEST_F(EvidencePrograms, diff_prints_what_is_different) {
  TestGuest guest, other;
  guest.config.emplace().set_libxl_json(R"({"c_info":{"name":"web1"},"b_info":{"max_memkb":2}})");
  other.config.emplace().set_libxl_json(R"({"c_info":{"name":"web1"},"b_info":{"max_memkb":4}})");
  auto& words = other.page(TestGuest::kData).words;
  words[2] = 0x1b1b1b1b41414141;
  other.vcpu[1].set(648, 0x1234);
  const std::string from = image(guest), to = image(other, "b.ferry");
  const Outcome outcome = ferry({"diff", from, to});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("1 of "));
  EXPECT_THAT(outcome.out, HasSubstr("0x14..0x14 (1)\n"));
  EXPECT_THAT(outcome.out, HasSubstr("/b_info/max_memkb    2 -> 4\n"));
  EXPECT_THAT(outcome.out, HasSubstr("vCPU 1: basic\n"));
  EXPECT_THAT(outcome.out, HasSubstr("rip                  0x0 -> 0x1234\n"));
  EXPECT_THAT(ferry({"diff", "--pages", from, to}).out,
              HasSubstr("\n+0000000000014010  41 41 41 41 1b 1b 1b 1b "));
  EXPECT_THAT(ferry({"diff", from, from}).out, HasSubstr("a.ferry: the same\n"));
  EXPECT_EQ(json::parse(ferry({"diff", "--json", from, from}).out)["same"], true);
  const json diff = json::parse(ferry({"diff", "--json", from, to}).out);
  EXPECT_EQ(diff["same"], false);
  EXPECT_EQ(diff["changed"], 1);
  EXPECT_EQ(diff["ranges"][0]["first_pfn"], 20);
  EXPECT_EQ(diff["config"][0]["to"], "4");
  EXPECT_EQ(ferry({"diff", from, folder_ / "none"}).exit_code, 1);
}

TEST_F(EvidencePrograms, core_is_not_for_a_terminal) {
  const std::string file = image(guest_with_log());
  const Outcome outcome = run_program(
      {"/usr/bin/script", "-qec", fmt::format("{} core {} -", FERRY_PROGRAM, file), "/dev/null"});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.out, HasSubstr("a core is nothing for a terminal"));
  EXPECT_LT(outcome.out.size(), 200u);
}

TEST_F(EvidencePrograms, core_of_what_is_no_linux_says_so) {
  const Outcome outcome = ferry({"core", image(TestGuest()), folder_ / "core"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("no VMCOREINFO was found"));
  EXPECT_THAT(outcome.out, HasSubstr("xen_start_info was not found"));
  EXPECT_THAT(ferry({"core", "--as-is", image(TestGuest()), folder_ / "core"}).out,
              Not(HasSubstr("xen_start_info")));
}

}  // namespace
}  // namespace ferry::test
