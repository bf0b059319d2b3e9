// The page in a real browser, headless: check_page.py looks at it, this makes what it looks at.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/audit/run_program.h"
#include "tests/html/sample_guests.h"

namespace ferry::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class Browser : public testing::Test {
 protected:
  Browser() : folder_(fs::temp_directory_path() / fmt::format("ferry-browser-{}", ::getpid())) {
    fs::create_directories(folder_);
  }
  ~Browser() override { fs::remove_all(folder_); }

  void SetUp() override {
    if (access(FERRY_CHROMIUM, X_OK) != 0)
      GTEST_SKIP() << "there is no chromium (tools/setup installs it)";
  }
  void add(const std::string& name, const TestGuest& guest) {
    const std::string page = folder_ / (name + ".html");
    const Outcome outcome =
        run_program({FERRY_PROGRAM, "inspect", "--html", page, write_image(guest, folder_ / name)});
    ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
    pages_.push_back(page);
  }

  Outcome look() {
    std::vector<std::string> words = {FERRY_PYTHON, FERRY_CHECK_PAGE, "--chromium", FERRY_CHROMIUM};
    words.insert(words.end(), pages_.begin(), pages_.end());
    return run_program(words);
  }
  // The page with `now` for `then`, once.
  void change(const std::string& then, const std::string& now) {
    std::ifstream in(pages_[0]);
    std::string page{std::istreambuf_iterator<char>(in), {}};
    const size_t at = page.find(then);
    ASSERT_NE(at, std::string::npos);
    std::ofstream(pages_[0]) << page.replace(at, then.size(), now);
  }

  fs::path folder_;
  std::vector<std::string> pages_;
};

TEST_F(Browser, shows_pages_that_people_can_read) {
  add("plain", TestGuest());
  add("live", live_guest(7));
  add("long", live_guest(60));
  add("hostile", hostile_guest());
  const Outcome outcome = look();
  EXPECT_EQ(outcome.exit_code, 0) << outcome.out << outcome.err;
}

// The check itself would see it.
TEST_F(Browser, is_not_content_with_any_page) {
  add("page", TestGuest());
  change("default-src 'none'", "default-src *");
  change("<main>", "<main><p><img src=\"http://127.0.0.1:9/x\" alt=\"\"></p><svg></svg>");
  change("<li><svg viewBox=\"0 0 24 14\" aria-hidden=\"true\"><path class=\"l1 w\"",
         "<li><svg><path class=\"\"");
  const Outcome outcome = look();
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.out, HasSubstr("asks for http://127.0.0.1:9/x"));
  EXPECT_THAT(outcome.out, HasSubstr("the browser complains"));
  EXPECT_THAT(outcome.out, HasSubstr("a picture without a name"));
  EXPECT_THAT(outcome.out, HasSubstr("the legend lacks l1"));
}

TEST_F(Browser, is_not_content_with_any_style) {
  add("page", TestGuest());
  change("http-equiv=\"Content-Security-Policy\"", "name=\"no-policy\"");
  change("max-width: 64rem; color: var(--ink)", "width: 90rem; color: #b0b0b0");
  change("--leaf: #dd96cd", "--leaf: #2468a8");
  const Outcome outcome = look();
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.out, HasSubstr("pixels wider than the window"));
  EXPECT_THAT(outcome.out, HasSubstr("has a contrast of 2."));
  EXPECT_THAT(outcome.out, HasSubstr("data and leaf look alike (0) to usual eyes"));
}

}  // namespace
}  // namespace ferry::test
