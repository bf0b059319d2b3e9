// ferry diff: what is different between two guests, saved or running?
#include <algorithm>
#include <nlohmann/json.hpp>
#include <thread>

#include "audit/summary.h"
#include "config/json_text.h"
#include "evidence/diff.h"
#include "tools/ferry/commands.h"
#include "tools/ferry/diff_text.h"
#include "tools/ferry/output.h"
#include "tools/ferry/reader.h"

namespace ferry {
namespace {

struct DiffArguments {
  std::string from, to;
  uint64_t limit = 20;  // ranges that are listed
  bool pages = false;
  unsigned threads =
      std::clamp(std::thread::hardware_concurrency(), 1u, evidence::kMostDiffThreads);
  bool json = false;
  std::vector<std::string> bases;
  std::string via;
  bool no_sandbox = false;
};

// Puts pages that are not the same together into ranges, of which the first ones are kept.
class Ranges {
 public:
  explicit Ranges(uint64_t most) : most_(most) {}

  void add(uint64_t pfn) {
    if (total_ == 0 || pfn != last_ + 1) {
      ++total_;
      if (ranges_.size() < most_) ranges_.push_back({pfn, 0});
    }
    last_ = pfn;
    if (total_ == ranges_.size()) ++ranges_.back().pages;
  }
  const std::vector<PfnsThatDiffer>& ranges() const { return ranges_; }
  uint64_t total() const { return total_; }

 private:
  uint64_t most_, total_ = 0, last_ = 0;
  std::vector<PfnsThatDiffer> ranges_;
};

void print_diff(const DiffArguments& arguments, const GuestSource& from, const GuestSource& to) {
  const ImageFile a = from.open(), b = to.open();
  const evidence::GuestPages pages_a(a, 2), pages_b(b, 2);
  Ranges ranges(arguments.limit);
  ImageDiff diff{.from = arguments.from, .to = arguments.to};
  diff.pages = evidence::diff_pages(pages_a, pages_b, *make_thread_executor(arguments.threads),
                                    [&](const evidence::ChangedPage& page) {
                                      ranges.add(page.pfn);
                                      if (arguments.pages) print(page_as_text(page));
                                    });
  diff.ranges = ranges.ranges();
  diff.ranges_total = ranges.total();
  diff.records = evidence::diff_records(a, b);
  diff.vcpus = evidence::diff_vcpus(a, b);
  diff.config = diff_config(a, b);
  for (const GuestSource* guest : {&from, &to})
    if (const auto seen = guest->seen()) diff.running.emplace_back(guest->path(), *seen);
  print(arguments.json ? json_text(diff_as_json(diff)) + "\n" : diff_as_text(diff));
}

Exit run_diff(const DiffArguments& arguments) {
  // One of them may be the other one's base, and what both build upon is the same as a rule.
  std::vector<std::string> others = arguments.bases;
  if (!others.empty())
    for (const std::string& name : {arguments.from, arguments.to})
      if (!GuestSource::names_guest(name)) others.push_back(name);
  const auto source = [&](const std::string& name) {
    if (GuestSource::names_guest(name)) return GuestSource({name, {}, arguments.via});
    return GuestSource(delta::ImageFiles::found_among(name, others));
  };
  const GuestSource from = source(arguments.from), to = source(arguments.to);
  return sandbox::run_confined(
             {.program = "ferry",
              .what = from.path() == to.path() ? from.path()
                                               : fmt::format("{} and {}", from.path(), to.path()),
              .limits = sandbox::limits_for(from.size() + to.size()),
              .no_sandbox = arguments.no_sandbox},
             [&](const sandbox::Confinement&) {
               print_diff(arguments, from, to);
               return sandbox::Done{};
             })
      .exit;
}

}  // namespace

void add_diff_command(Command ferry, Exit& exit) {
  auto arguments = std::make_shared<DiffArguments>();
  Command command = ferry.add_command(
      "diff", "Show what is different between two saved guests, or one that runs");
  command.footer(
      "Example: ferry diff monday.ferry tuesday.ferry\n"
      "         ferry diff monday.ferry web1\n"
      "         ferry diff --pages monday.ferry tuesday.ferry | less\n"
      "Compares each byte of the pages, page tables in pfn form, and says what is different: pages "
      "by\n"
      "kind, ranges of pfns, vCPUs, configuration. --pages prints the bytes too: the guest's "
      "memory,\n"
      "which may hold its secrets.");
  command.add_option("FROM", arguments->from, kGuestOrImage).required();
  command.add_option("TO", arguments->to, "The other one").required();
  command.add_option("--limit", arguments->limit, "Ranges to list (default 20)")
      .in_range(uint64_t{0}, uint64_t{100'000})
      .type_name("N");
  Option pages = command.add_flag("--pages", arguments->pages,
                                  "Print first what is different in each page, as bytes");
  command.add_option("--threads", arguments->threads, "Worker threads (default: one a core)")
      .in_range(1u, evidence::kMostDiffThreads)
      .type_name("N");
  command.add_flag("--json", arguments->json, "Print JSON").excludes(pages);
  command
      .add_option("--base", arguments->bases,
                  "Of deltas: what either was saved against, or a folder that has it; again for "
                  "others, in any order")
      .type_name("FILE")
      .one_value();
  add_via(command, arguments->via);
  add_no_sandbox(command, arguments->no_sandbox);
  command.callback([arguments, &exit] { exit = run_diff(*arguments); });
}

}  // namespace ferry
