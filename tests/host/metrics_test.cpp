// The file of metrics, as its readers want it: Prometheus' text format, whole at every moment.
#include "host/metrics.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <vector>

#include "tests/files/folder.h"

namespace ferry::host {
namespace {

const CommandRun kGoodMigration = {.command = "migrate",
                                   .seconds = 12.5,
                                   .guest_bytes = 1 << 30,
                                   .image_bytes = 123'456'789,
                                   .downtime = 0.25};

// What promtool check metrics finds fault with, and what node_exporter drops a file for, as far as
// it can happen to this one.
std::vector<std::string> faults(const std::string& text) {
  static const std::regex help(R"(# HELP ([a-z_]+) [^\\]+\.)"),
      type(R"(# TYPE ([a-z_]+) (counter|gauge|summary))"),
      sample(
          R"re(([a-z_]+)(\{[a-z_]+="[a-z_]+"(,[a-z_]+="[a-z_]+")*\}) ([0-9.]+(e[+-]?[0-9]+)?))re");
  std::vector<std::string> found;
  std::map<std::string, std::string> types;
  std::set<std::string> helped, samples;
  std::string family;  // the one whose samples come now
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::smatch match;
    if (std::regex_match(line, match, help)) {
      if (!helped.insert(match[1]).second) found.push_back("twice: " + line);
    } else if (std::regex_match(line, match, type)) {
      family = match[1];
      if (!helped.contains(family)) found.push_back("no help: " + line);
      if (!types.emplace(family, match[2]).second) found.push_back("twice: " + line);
      if (family.ends_with("_total") != (match[2] == "counter"))
        found.push_back("counters, and they alone, end in _total: " + line);
      if (!std::regex_search(family, std::regex("_(seconds|bytes|operations)(_total)?$")))
        found.push_back("no base unit: " + line);
    } else if (std::regex_match(line, match, sample)) {
      const std::string name = match[1];
      const bool summary = types[family] == "summary";
      if (summary ? name != family + "_sum" && name != family + "_count" : name != family)
        found.push_back("not with its family: " + line);
      if (!samples.insert(name + match[2].str()).second) found.push_back("twice: " + line);
    } else {
      found.push_back("no such line: " + line);
    }
  }
  if (!text.ends_with('\n')) found.emplace_back("no end of line at the end");
  return found;
}

bool has(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

TEST(Metrics, are_in_prometheus_text_format) {
  std::string text = with_run("", kGoodMigration, 1'800'000'000.75);
  text = with_run(text, {.command = "save", .outcome = Outcome::needs_operator, .seconds = 3}, 0);
  text = with_suspension(text, {"migrate", 0.375, 0.25});
  EXPECT_EQ(faults(text), std::vector<std::string>()) << text;
  for (const char* line : {R"(ferry_operations_total{command="migrate",result="success"} 1)",
                           R"(ferry_operations_total{command="migrate",result="failure"} 0)",
                           R"(ferry_operations_total{command="save",result="needs_operator"} 1)",
                           R"(ferry_operation_duration_seconds_sum{command="migrate"} 12.5)",
                           R"(ferry_operation_duration_seconds_count{command="migrate"} 1)",
                           R"(ferry_guest_bytes_total{command="migrate"} 1073741824)",
                           R"(ferry_image_bytes_total{command="migrate"} 123456789)",
                           R"(ferry_downtime_seconds_sum{command="migrate"} 0.25)",
                           R"(ferry_suspension_predicted_seconds_sum{command="migrate"} 0.375)",
                           R"(ferry_suspension_measured_seconds_count{command="migrate"} 1)",
                           R"(ferry_last_success_timestamp_seconds{command="migrate"} 1800000000)"})
    EXPECT_TRUE(has(text, line)) << line << "\n" << text;
  // Nothing but the failure itself is known of what failed.
  EXPECT_EQ(text.find(R"(duration_seconds_sum{command="save"})"), std::string::npos) << text;
}

// The checker above, by what it is to find.
TEST(Metrics, faults_of_a_file_would_be_found) {
  const std::string sound = with_run("", kGoodMigration, 1);
  for (const auto& [what, instead] : std::vector<std::pair<std::string, std::string>>{
           {"# HELP ferry_downtime_seconds [^\n]*\n", ""},
           {"# TYPE ferry_operations_total counter", "# TYPE ferry_operations_total gauge"},
           {"ferry_downtime_seconds_sum", "ferry_other_seconds_sum"},
           {"_bytes_total", "_kilobytes"},
           {"\"migrate\"} 0.25", "migrate} 0.25"},
           {"\n$", ""}}) {
    const std::string broken = std::regex_replace(sound, std::regex(what), instead);
    ASSERT_NE(broken, sound) << what;
    EXPECT_NE(faults(broken), std::vector<std::string>()) << what;
  }
}

TEST(Metrics, add_up_to_the_byte) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text = with_run(text, kGoodMigration, i);
  EXPECT_TRUE(has(text, R"(ferry_operations_total{command="migrate",result="success"} 1000)"));
  EXPECT_TRUE(has(text, R"(ferry_image_bytes_total{command="migrate"} 123456789000)")) << text;
  EXPECT_EQ(faults(text), std::vector<std::string>());
}

TEST(Metrics, what_is_none_of_ferrys_is_dropped) {
  const std::string text = with_run(
      "garbage\nferry_operations_total{command=\"save\",result=\"success\"} 7\n"
      "ferry_operations_total{command=\"save\",result=\"success\"} x\n"
      "ferry_operations_total{command=\"a\\\"b\"} 1\nferry_operations_total{command=\"c\"} -1\n"
      "ferry_operations_total{command=\"d\"} inf\nnode_load 5\nferry_unheard_of{command=\"e\"} 1\n"
      "ferry_downtime_seconds{command=\"f\"} 1\n",
      {.command = "save", .outcome = Outcome::failure}, 0);
  EXPECT_EQ(text,
            "# HELP ferry_operations_total Commands that have ended.\n"
            "# TYPE ferry_operations_total counter\n"
            "ferry_operations_total{command=\"save\",result=\"failure\"} 1\n"
            "ferry_operations_total{command=\"save\",result=\"needs_operator\"} 0\n"
            "ferry_operations_total{command=\"save\",result=\"success\"} 7\n");
}

std::string contents(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

class MetricsFile : public ::testing::Test {
 protected:
  MetricsFile() {
    setenv("FERRY_RUN_DIR", folder_.path("run").c_str(), 1);
    keep_metrics_in(folder_.path("node-exporter"));
  }
  ~MetricsFile() override {
    unsetenv("FERRY_RUN_DIR");
    keep_metrics_in("");
  }
  void make_folder() { std::filesystem::create_directory(folder_.path("node-exporter")); }
  std::string file() const { return folder_.path("node-exporter/ferry.prom"); }

  TestFolder folder_;
};

TEST_F(MetricsFile, is_there_only_where_its_folder_is) {
  count(kGoodMigration);
  EXPECT_FALSE(std::filesystem::exists(folder_.path("node-exporter")));
  make_folder();
  count(kGoodMigration);
  EXPECT_TRUE(std::filesystem::exists(file()));
  keep_metrics_in("none");
  count(kGoodMigration);
  EXPECT_FALSE(std::filesystem::exists("none"));
  EXPECT_TRUE(
      has(contents(file()), R"(ferry_operations_total{command="migrate",result="success"} 1)"));
}

TEST_F(MetricsFile, is_readable_by_node_exporter) {
  make_folder();
  const mode_t before = umask(0077);
  count(kGoodMigration);
  umask(before);
  struct stat status = {};
  ASSERT_EQ(stat(file().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0644u);
}

TEST_F(MetricsFile, misses_none_of_several_that_end_at_once_and_is_whole_at_every_moment) {
  constexpr int kProcesses = 8, kRuns = 20;
  make_folder();
  // How long one of eight waits for its turn is the machine's affair.
  keep_metrics_in(folder_.path("node-exporter"), std::chrono::hours(1));
  std::vector<pid_t> children;
  for (int i = 0; i < kProcesses; ++i) {
    const pid_t pid = fork();
    if (pid == 0) {
      for (int run = 0; run < kRuns; ++run) count(kGoodMigration);
      _exit(0);
    }
    children.push_back(pid);
  }
  while (!children.empty()) {
    const std::string text = contents(file());
    if (std::filesystem::exists(file()) && !text.empty()) {
      EXPECT_EQ(faults(text), std::vector<std::string>()) << text;
    }
    if (waitpid(children.back(), nullptr, WNOHANG) != 0) children.pop_back();
  }
  EXPECT_TRUE(has(contents(file()),
                  fmt::format("ferry_operations_total{{command=\"migrate\",result=\"success\"}} {}",
                              kProcesses * kRuns)))
      << contents(file());
  size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder_.path("node-exporter")))
    files += entry.is_regular_file();
  EXPECT_EQ(files, 1u) << "something was left beside it";
}

TEST_F(MetricsFile, that_cannot_be_written_is_told_and_nothing_else) {
  std::ofstream(folder_.path("run")) << "no folder";
  make_folder();
  testing::internal::CaptureStderr();
  count(kGoodMigration);
  EXPECT_NE(testing::internal::GetCapturedStderr().find("not in the metrics"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(file()));
}

TEST_F(MetricsFile, counts_a_command_by_how_it_ends) {
  make_folder();
  EXPECT_EQ(counted("save", [](CommandRun& run) { return run.guest_bytes = 4096; }), 4096u);
  EXPECT_THROW(counted("save", [](CommandRun&) -> int { fail(Errc::io, "no"); }), Error);
  EXPECT_THROW(counted("save", [](CommandRun&) -> int { fail(Errc::needs_operator, "no"); }),
               Error);
  EXPECT_THROW(counted("save", [](CommandRun&) -> int { throw 1; }), int);
  EXPECT_THROW(counted("save", [](CommandRun&) -> int { fail(Errc::usage, "what?"); }), Error);
  {
    CountedRun nothing("receive");
    nothing.counts = false;
  }
  const std::string text = contents(file());
  for (const char* line : {R"(ferry_operations_total{command="save",result="success"} 1)",
                           R"(ferry_operations_total{command="save",result="failure"} 2)",
                           R"(ferry_operations_total{command="save",result="needs_operator"} 1)",
                           R"(ferry_guest_bytes_total{command="save"} 4096)"})
    EXPECT_TRUE(has(text, line)) << line << "\n" << text;
  EXPECT_EQ(text.find("receive"), std::string::npos) << text;
}

}  // namespace
}  // namespace ferry::host
