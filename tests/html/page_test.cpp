// ferry inspect --html: the page as a file, and of images that want to be more than text.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <google/protobuf/stubs/common.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>

#include "tests/audit/image_surgery.h"
#include "tests/audit/run_program.h"
#include "tests/html/sample_guests.h"

namespace ferry::test {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class Page : public testing::Test {
 protected:
  Page() : folder_(fs::temp_directory_path() / fmt::format("ferry-page-{}", ::getpid())) {
    fs::create_directories(folder_);
  }
  ~Page() override { fs::remove_all(folder_); }

  std::string path(const std::string& name) const { return folder_ / name; }
  Outcome write(const TestGuest& guest) {
    return run_program(
        {FERRY_PROGRAM, "inspect", "--html", path("page.html"), write_image(guest, path("image"))});
  }
  std::string page_of(const TestGuest& guest) {
    const Outcome outcome = write(guest);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    return page();
  }
  std::string page() const {
    std::ifstream in(path("page.html"), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  size_t files() const {
    return static_cast<size_t>(std::distance(fs::directory_iterator(folder_), {}));
  }

  fs::path folder_;
};

// Every "<" begins a tag that the page may have, without a handler and without an address.
void expect_harmless_markup(const std::string& page) {
  const std::set<std::string> known = {
      "!doctype", "html",    "head",   "meta",   "title", "style",   "body",       "header",
      "main",     "section", "footer", "nav",    "a",     "h1",      "h2",         "h3",
      "p",        "div",     "span",   "dl",     "dt",    "dd",      "ul",         "ol",
      "li",       "b",       "code",   "small",  "table", "caption", "tr",         "th",
      "thead",    "tbody",   "td",     "figure", "svg",   "defs",    "pattern",    "rect",
      "path",     "circle",  "use",    "g",      "text",  "details", "figcaption", "summary"};
  for (size_t at = 0; (at = page.find('<', at)) != std::string::npos; ++at) {
    const std::string tag = page.substr(at, page.find('>', at) - at + 1);
    std::smatch m;
    ASSERT_TRUE(std::regex_search(tag, m, std::regex("^</?(!?[A-Za-z0-9]+)[ />]"))) << tag;
    std::string name = m[1];
    for (char& c : name) c = static_cast<char>(std::tolower(c));
    EXPECT_TRUE(known.contains(name)) << tag;
    EXPECT_FALSE(std::regex_search(tag, std::regex("[ /](on[a-z]+|src|srcset|style|action)=")))
        << tag;
    const bool leads = std::regex_search(tag, m, std::regex("href=\"([^\"]*)\""));
    EXPECT_TRUE(!leads || m[1].str()[0] == '#') << tag;
  }
}

TEST_F(Page, shows_a_guest) {
  const std::string page = page_of(live_guest(5));
  EXPECT_THAT(
      page, AllOf(HasSubstr("<title>web1 – saved Xen PV guest</title>"), HasSubstr("<h1>web1</h1>"),
                  HasSubstr("Linux version 6.1.0 (builder@host) (gcc) #1 SMP"),
                  HasSubstr("2023-11-14 22:13:20 UTC"), HasSubstr("/dev/vg/web1")));
  EXPECT_THAT(page, AllOf(HasSubstr("<figure class=\"memory\">"), HasSubstr("class=\"bar\""),
                          HasSubstr("<caption>Pages by kind</caption>"),
                          HasSubstr("<caption>What each vCPU had loaded</caption>"),
                          HasSubstr("pages.missing"), HasSubstr("sent again")));
  expect_harmless_markup(page);
}

TEST_F(Page, shows_findings_with_rule_severity_place_and_sentence) {
  const std::string page = page_of(hostile_guest());
  EXPECT_THAT(page, HasSubstr("<span class=\"severity\">error</span> <code>pt.target-type</code>"));
  EXPECT_THAT(page,
              HasSubstr("L2 entry 100 of pfn 0x6 names pfn 0x14, which is a data page instead "
                        "of an L1 table."));
  EXPECT_THAT(page, HasSubstr("<small>L2 table, pfn 0x6, entry 100, record "));
  EXPECT_THAT(page, HasSubstr("<li>and 35 more</li>"));
  EXPECT_THAT(page, HasSubstr("<span class=\"severity\">warning</span> <code>pt.linear</code>"));
  EXPECT_THAT(page, HasSubstr("Audit: 41 errors, 2 warnings"));
}

TEST_F(Page, takes_every_text_for_text) {
  const std::string page = page_of(hostile_guest());
  expect_harmless_markup(page);
  EXPECT_TRUE(google::protobuf::internal::IsStructurallyValidUTF8(page.data(),
                                                                  static_cast<int>(page.size())));
  EXPECT_THAT(page, HasSubstr("<h1>&lt;script&gt;alert(1)&lt;/script&gt;"));
  EXPECT_THAT(page, HasSubstr("Linux version 6 (&lt;/style&gt;&lt;script&gt;alert(2)"));
  EXPECT_THAT(page, Not(HasSubstr("\x1b")));
  EXPECT_THAT(page, Not(HasSubstr("\xe2\x80\xae"))) << "nothing turns the direction of writing";
}

TEST_F(Page, lets_nothing_be_loaded_and_nothing_run) {
  const std::string page = page_of(live_guest(3));
  EXPECT_THAT(page, HasSubstr("content=\"default-src 'none'; style-src 'sha256-"));
  EXPECT_THAT(page, Not(HasSubstr("unsafe")));
  EXPECT_THAT(page, Not(HasSubstr("<script")));
  EXPECT_THAT(page, Not(HasSubstr("http://")));
  EXPECT_THAT(page, Not(HasSubstr("https://")));
}

TEST_F(Page, holds_nothing_of_the_guests_memory) {
  TestGuest guest = live_guest(3);
  const std::string secret = "s3cr3t-of-the-guest";
  for (auto& [pfn, page] : guest.pages)
    if (page.kind == v1::DATA) std::memcpy(page.words.data() + 256, secret.data(), secret.size());
  EXPECT_THAT(page_of(guest), Not(HasSubstr(secret)));
}

TEST_F(Page, is_its_owners_alone_and_whole_or_not_there) {
  const Outcome outcome = write(live_guest(2));
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.out, HasSubstr("page.html: "));
  struct stat status = {};
  ASSERT_EQ(::stat(path("page.html").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  EXPECT_EQ(files(), 2u) << "nothing but image and page";

  std::ofstream(path("page.html")) << "what was there";
  const Bytes image = build(TestGuest());
  std::ofstream(path("cut"), std::ios::binary)
      .write(reinterpret_cast<const char*>(image.data()), 1000);
  EXPECT_EQ(
      run_program({FERRY_PROGRAM, "inspect", "--html", path("page.html"), path("cut")}).exit_code,
      3);
  EXPECT_EQ(page(), "what was there");
  EXPECT_EQ(run_program({FERRY_PROGRAM, "inspect", "--html", path("no/page.html"), path("image")})
                .exit_code,
            1);
  EXPECT_EQ(run_program({FERRY_PROGRAM, "inspect", "--json", "--html", path("x"), path("image")})
                .exit_code,
            2);
}

TEST_F(Page, goes_to_standard_output_too) {
  const Outcome outcome = run_program(
      {FERRY_PROGRAM, "inspect", "--html", "-", write_image(TestGuest(), path("image"))});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.out, testing::StartsWith("<!DOCTYPE html>"));
  EXPECT_THAT(outcome.out, testing::EndsWith("</html>\n"));
}

TEST_F(Page, of_an_image_with_damaged_pages_says_so_and_shows_what_the_index_says) {
  std::vector<Piece> pieces = take_apart(build(TestGuest()));
  for (Piece& piece : pieces) {
    if (piece.kind != v1::Record::kPagesFieldNumber) continue;
    piece.bytes[piece.body_at + 20] ^= std::byte{1};
    break;
  }
  const Bytes image = put_together(pieces);
  std::ofstream(path("image"), std::ios::binary)
      .write(reinterpret_cast<const char*>(image.data()),
             static_cast<std::streamsize>(image.size()));
  const Outcome outcome =
      run_program({FERRY_PROGRAM, "inspect", "--html", path("page.html"), path("image")});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(page(), AllOf(HasSubstr("digest.mismatch"), HasSubstr("The pages cannot be read"),
                            HasSubstr("<figure class=\"memory\">")));
  expect_harmless_markup(page());
}

TEST_F(Page, of_a_save_in_one_pass_draws_no_chart) {
  EXPECT_THAT(page_of(TestGuest()), HasSubstr("were sent in one pass"));
  EXPECT_THAT(page_of(TestGuest()), Not(HasSubstr("class=\"chart\"")));
}

}  // namespace
}  // namespace ferry::test
