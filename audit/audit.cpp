// Judges a saved image: the order in which the rules are asked.
#include "audit/audit.h"

#include <algorithm>
#include <array>

#include "audit/completeness.h"
#include "audit/guest_pages.h"
#include "audit/ldt.h"
#include "audit/p2m.h"
#include "audit/p2m_view.h"
#include "audit/page_reader.h"
#include "audit/page_table.h"
#include "audit/record_pass.h"
#include "audit/small_records.h"
#include "error/error.h"
#include "proto/pages.h"

namespace ferry::audit {
namespace {

// What the index and the small records say, if they can be read at all.
struct Prepared {
  std::optional<PageMap> map;
  GuestFacts facts;
  std::string failure;  // why map is empty
};

Prepared prepare(const ImageFile& image, Level level, Findings& guest) {
  Prepared prepared;
  if (level < Level::digests) return prepared;
  try {
    prepared.map = PageMap::load(image);
    if (level >= Level::structure) check_small_records(image, *prepared.map, prepared.facts, guest);
  } catch (const Error& error) {
    if (error.code() != Errc::bad_image) throw;
    prepared.map.reset();
    prepared.failure = error.what();
  }
  return prepared;
}

void check_totals(const ImageFile& image, const PageMap& map, const PassTotals& totals,
                  Findings& guest) {
  const v1::IndexRoot& root = image.index_root();
  if (root.pages_records() != totals.pages_records || root.pages_bytes() != totals.pages_bytes) {
    guest.add(rule::index_totals, {},
              "The index counts {} batches of pages with {} bytes, but there are {} with "
              "{}.",
              root.pages_records(), root.pages_bytes(), totals.pages_records, totals.pages_bytes);
  }
  std::array<uint64_t, 256> pages{};
  map.for_each_run([&](uint64_t, uint64_t count, v1::PageKind, v1::PageKind seen, auto...) {
    pages[static_cast<uint8_t>(seen)] += count;
  });
  pages[static_cast<uint8_t>(kUnmentioned)] = 0;
  for (int i = 0; i + 2 < root.kind_pages_size(); i += 3) {
    if (root.kind_pages(i) < pages.size())
      pages[root.kind_pages(i)] -= root.kind_pages(i + 1);  // wraps if it counts too many
  }
  for (size_t kind = 0; kind < pages.size(); ++kind) {
    if (pages[kind] == 0) continue;
    guest.add(rule::index_totals, {}, "The index root miscounts pages of kind \"{}\".",
              kind_name(static_cast<v1::PageKind>(kind)));
  }
}

// Rules that Xen itself enforces when it loads GDTs and page tables.
bool breaks_page_tables(const Findings& guest) {
  const Rule* const rules[] = {&rule::cr3,
                               &rule::user_cr3,
                               &rule::gdt_frame,
                               &rule::gdt_descriptor,
                               &rule::target_range,
                               &rule::target_absent,
                               &rule::target_type,
                               &rule::large_page,
                               &rule::reserved_slot,
                               &rule::entry_flags,
                               &rule::cache_flags,
                               &rule::linear_table,
                               &rule::writable_table,
                               &rule::writable_gdt};
  return std::any_of(std::begin(rules), std::end(rules),
                     [&](const Rule* rule) { return guest.count(*rule) != 0; });
}

Prediction predict_restore(PageReader& reader, const PageMap& map, const GuestFacts& facts,
                           Findings& guest) {
  Prediction prediction = predict(reader, map, facts, breaks_page_tables(guest));
  // Of rules about single entries all are errors but one: linear tables are fine in the right
  // order.
  const uint64_t linear = guest.count(rule::linear_table);
  const bool only_linear =
      linear != 0 && guest.count(rule::linear_writable) + guest.count(rule::linear_depth) == 0;
  if (only_linear && prediction.refusal && guest.count(Severity::error) == 0) {
    guest.add(rule::pin_refused, prediction.refusal->entry, "{}.", prediction_in_words(prediction));
  }
  return prediction;
}

// What can only be judged after the last record.
std::optional<Prediction> check_the_whole(const ImageFile& image, const PageMap& map,
                                          const GuestFacts& facts, const PassTotals& totals,
                                          Level level, Findings& guest) {
  PageReader reader(image, map);
  check_totals(image, map, totals, guest);
  check_completeness(map, guest);
  check_p2m_complete(map, facts, guest);
  check_start_info(reader, map, facts, guest);
  if (level < Level::full) return std::nullopt;
  check_linear_depth(map, guest);
  const bool pages_readable =
      guest.count(rule::index_record) == 0 && guest.count(rule::index_kind) == 0;
  if (image.head().linear_p2m() && guest.count(rule::p2m_root) == 0 && pages_readable)
    check_p2m_view(reader, image.head(), map, facts, guest);
  if (!pages_readable) return std::nullopt;
  PageReader tables(image, map);  // counts what it reads from here on
  check_ldt_pages(tables, map, facts, guest);
  return predict_restore(tables, map, facts, guest);
}

}  // namespace

Result run(const ImageFile& image, const Options& options, Executor& executor) {
  Findings bytes(options.keep), guest(options.keep);
  Prepared prepared = prepare(image, options.level, guest);
  PageMap* map = prepared.map && options.level >= Level::structure ? &*prepared.map : nullptr;
  const PassTotals totals = pass_over_records(
      {.image = image, .level = options.level, .map = map, .facts = &prepared.facts}, executor,
      bytes, guest);
  Result result{.findings = Findings(options.keep),
                .judged = options.level,
                .records = totals.records,
                .bytes = image.place().bytes};
  if (bytes.count(Severity::error) == 0 && !prepared.failure.empty())
    bytes.add(rule::index_unreadable, {}, "{}", prepared.failure);
  const bool sound = bytes.count(Severity::error) == 0;
  result.findings.merge(std::move(bytes));
  if (!sound) {
    result.judged = std::min(options.level, Level::digests);
  } else if (map != nullptr) {
    result.prediction = check_the_whole(image, *map, prepared.facts, totals, options.level, guest);
    result.findings.merge(std::move(guest));
  }
  return result;
}

}  // namespace ferry::audit
