// ferry inspect --html: all there is to say of an image, as a page.
#include "tools/ferry/inspect_html.h"

#include <fmt/format.h>

#include "error/error.h"
#include "html/report.h"
#include "io/byte_stream.h"
#include "text/human_bytes.h"
#include "tools/ferry/inspect_more.h"
#include "tools/ferry/inspect_text.h"

namespace ferry {
namespace {

constexpr size_t kFindingsOfRule = 5;

// Without the pages a map of what the index says is left, if that can be read.
void read_pages(const ImageFile& image, Executor& executor, html::Report& report) {
  try {
    report.census = audit::take_census(image, executor);
    report.memory = report.census->memory;
    return;
  } catch (const Error& error) {
    if (error.code() != Errc::bad_image) throw;
    report.failure = error.what();
  }
  try {
    report.memory = audit::memory_cells(audit::PageMap::load(image), audit::kMapCells);
  } catch (const Error& error) {
    if (error.code() != Errc::bad_image) throw;
  }
}

std::vector<std::array<std::string, 3>> asks_for_rows(const audit::Summary& summary) {
  std::vector<std::array<std::string, 3>> rows;
  for (const ConfigFinding& finding : config_asks_for(summary))
    rows.push_back({finding.key, finding.value, finding.why});
  return rows;
}

}  // namespace

std::string write_html(const std::string& file, const ImageFile& image,
                       const audit::Summary& summary, const std::string& to, int fd) {
  // Two threads: what is under way stays small whatever the records claim.
  const std::unique_ptr<Executor> executor = make_thread_executor(2);
  html::Report report{.file = file,
                      .name = guest_name(summary),
                      .uuid = uuid_of(summary),
                      .config = config_in_words(config_as_json(summary)),
                      .asks_for = asks_for_rows(summary),
                      .summary = summary,
                      .audit = audit::run(image, {.keep = kFindingsOfRule}, *executor)};
  read_pages(image, *executor, report);
  const std::string page = html::page(report);
  FdSink(fd, to == "-" ? "standard output" : to).write(std::as_bytes(std::span(page)));
  return to == "-" ? std::string() : fmt::format("{}: {}\n", to, human_bytes(page.size()));
}

}  // namespace ferry
