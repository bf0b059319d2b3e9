// Holds the audit against Xen itself: variants of an image of a real guest are judged by the one
// and restored on the other.
//
//   ferry_audit_on_xen [--no-linear] IMAGE         all of them; for dom0, or a simulated host
//   ferry_audit_on_xen --write NAME FILE IMAGE     writes the variant of this name
//
// --no-linear: this Xen runs with pv-linear-pt=0, so it refuses what the audit only warns of as
// pt.linear.
//
// Prints a line for each variant, and counts at the end. Exit status 0 if there were enough of both
// sorts and nothing was disagreed on.
#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <regex>

#include "error/error.h"
#include "image_reader/image_records.h"
#include "restore/restore.h"
#include "tests/audit/agreement.h"
#include "tests/audit/host_here.h"
#include "tests/audit/scratch_guest.h"
#include "tests/audit/variants.h"

namespace ferry::test {
namespace {

constexpr unsigned kLeastImages = 50, kLeastTaken = 20, kLeastRefused = 30;
constexpr size_t kCr3 = 5008;  // in struct vcpu_guest_context

Bytes read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) fail(Errc::io, "cannot read {}", path);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

std::string in_words(const std::vector<Witness::Entry>& way) {
  if (way.empty()) return "the page itself";
  const Witness::Entry& last = way.back();
  return fmt::format("L{} entry {} of pfn {:#x}", last.level, last.slot, last.pfn);
}

bool is_at(const Witness::Entry& entry, const audit::Place& place) {
  return entry.pfn == place.pfn && entry.slot == place.index;
}

// What Xen said to one variant, and what it says when it is asked again.
class Trial {
 public:
  Trial(const Hypervisor& xen, const RealImage& of, const Bytes& image)
      : xen_(xen),
        nr_pfns_(of.nr_pfns()),
        guest_(xen, of.nr_pfns(), static_cast<unsigned>(of.vcpus().size())) {
    for (const TestVcpu& vcpu : of.vcpus()) cr3_.push_back(vcpu.get(kCr3) >> kPageShift);
    try {
      MemorySource source(image);
      InlineExecutor executor;
      ImageRecords records(source, executor);
      restore_domain(xen, guest_.target(), records, {});
      taken_ = true;
    } catch (const Error& error) {
      sentence_ = error.what();
    }
  }

  bool taken() const { return taken_; }
  const std::string& sentence() const { return sentence_; }
  // Xen's own words, through the engine; what else is refused the engine refuses by itself.
  bool refused_by_xen() const { return !taken_ && !sentence_.starts_with("the image is bad"); }

  // Asks Xen where in this table it stumbles.
  const std::vector<Witness::Entry>& ask(unsigned level, uint64_t pfn) {
    if (!way_) way_ = Witness(xen_, guest_.domid(), nr_pfns_).way_to_refused(level, pfn);
    return *way_;
  }
  // In the table that the engine's sentence names.
  const std::vector<Witness::Entry>& ask_about_refused() {
    std::smatch m;
    if (std::regex_search(sentence_, m, std::regex("page table 0x([0-9a-f]+) \\(L([1-4])\\)")))
      return ask(static_cast<unsigned>(std::stoul(m[2])), std::stoull(m[1], nullptr, 16));
    if (std::regex_search(sentence_, m, std::regex("page tables of vCPU ([0-9]+)")))
      return ask(4, cr3_.at(std::stoul(m[1])));
    way_.emplace();
    return *way_;
  }
  // What it answered; empty if it was not asked.
  std::string answer() const { return way_ ? in_words(*way_) : std::string(); }

  // A descriptor table cannot be asked about in pieces: for it the vCPU has to do.
  bool stumbled_over(const audit::Refusal& refusal) {
    const bool busy = sentence_.find(std::strerror(EBUSY)) != std::string::npos;
    if (busy != (std::string_view(refusal.error) == "EBUSY")) return false;
    if (refusal.step == audit::Refusal::Step::gdt) return true;
    const auto& found = ask(refusal.level, refusal.pfn);
    if (!refusal.entry.index) return found.empty();
    if (refusal.by_chance)
      return std::ranges::any_of(found, [&](const auto& e) { return is_at(e, refusal.entry); });
    return !found.empty() && is_at(found.back(), refusal.entry);
  }

 private:
  const Hypervisor& xen_;
  uint64_t nr_pfns_;
  ScratchGuest guest_;
  bool taken_ = false;
  std::string sentence_;
  std::vector<uint64_t> cr3_;  // pfns, by vCPU
  std::optional<std::vector<Witness::Entry>> way_;
};

struct Tally {
  unsigned images = 0, taken = 0, bad_but_taken = 0, by_xen = 0, at_entry = 0, by_engine = 0;
  unsigned disagreements = 0;
};

class Comparison {
 public:
  Comparison(const Hypervisor& xen, bool linear) : xen_(xen), linear_(linear) {}

  void try_one(const RealImage& of, const Change& change) {
    Variant variant(of);
    change.apply(variant);
    const Bytes image = variant.image();
    const Judged judged = judge(image);
    Trial trial(xen_, of, image);
    std::string complaint = complain(judged, trial);
    ++tally_.images;
    tally_.taken += trial.taken() && judged.clean;
    tally_.bad_but_taken += trial.taken() && !judged.clean;
    tally_.by_xen += trial.refused_by_xen();
    tally_.at_entry += trial.refused_by_xen() && !trial.answer().empty();
    tally_.by_engine += !trial.taken() && !trial.refused_by_xen();
    tally_.disagreements += !complaint.empty();
    fmt::print("{:<44} audit: {:<6} {}{}\n", change.name, judged.clean ? "clean" : "bad",
               trial.taken() ? "taken" : trial.sentence(),
               trial.answer().empty() ? "" : fmt::format("; Xen: {}", trial.answer()));
    if (!complaint.empty()) fmt::print("  DISAGREE: {}\n  {}\n", complaint, in_lines(judged));
    std::fflush(stdout);
  }

  bool finish() const {
    fmt::print(
        "{} images: {} clean and taken; {} refused by Xen, {} of them for page tables, at the "
        "entry "
        "that was predicted; {} refused by the engine before Xen saw them, where the audit says; "
        "{} bad in ways that a host cannot see; {} disagreements\n",
        tally_.images, tally_.taken, tally_.by_xen, tally_.at_entry, tally_.by_engine,
        tally_.bad_but_taken, tally_.disagreements);
    return tally_.disagreements == 0 && tally_.images >= kLeastImages &&
           tally_.taken >= kLeastTaken && tally_.by_xen >= kLeastRefused;
  }

 private:
  std::string complain(const Judged& judged, Trial& trial) const {
    const std::string complaint = disagreement(
        judged, {.taken = trial.taken(),
                 .sentence = trial.sentence(),
                 .stumbled_over = [&](const auto& r) { return trial.stumbled_over(r); }});
    const bool warned =
        judged.result && judged.result->findings.count(audit::rule::linear_table) != 0;
    if (complaint.empty() || linear_ || !warned || trial.taken()) return complaint;
    return complain_about_linear(*judged.result, trial);
  }

  // Where linear tables are off, Xen stumbles over an entry that was warned of.
  static std::string complain_about_linear(const audit::Result& result, Trial& trial) {
    const std::vector<Witness::Entry> way = trial.ask_about_refused();
    for (const audit::Finding& finding : result.findings.kept())
      if (finding.rule == &audit::rule::linear_table && !way.empty() &&
          is_at(way.back(), finding.place))
        return "";
    return "Xen did not stumble over the linear table";
  }

  const Hypervisor& xen_;
  bool linear_;
  Tally tally_;
};

int write_variant(const std::string& name, const std::string& file, const RealImage& of) {
  for (const Change& change : all_changes(of)) {
    if (change.name != name) continue;
    Variant variant(of);
    change.apply(variant);
    const Bytes image = variant.image();
    std::ofstream out(file, std::ios::binary);
    out.write(reinterpret_cast<const char*>(image.data()),
              static_cast<std::streamsize>(image.size()));
    return out.flush().good() ? 0 : 1;
  }
  fail(Errc::usage, "there is no variant {}", name);
}

int compare(bool linear, const RealImage& whole) {
  const RealImage of(thinned(whole));
  const HostHere here(of.nr_pfns());
  const Hypervisor xen;
  Comparison comparison(xen, linear);
  for (const Change& change : all_changes(of)) comparison.try_one(of, change);
  return comparison.finish() ? 0 : 1;
}

int run(const std::vector<std::string>& words) {
  if (words.size() == 4 && words[0] == "--write")
    return write_variant(words[1], words[2], RealImage(read_file(words[3])));
  const bool no_linear = words.size() == 2 && words[0] == "--no-linear";
  if (words.size() != (no_linear ? 2 : 1))
    fail(Errc::usage, "usage: ferry_audit_on_xen [--no-linear | --write NAME FILE] IMAGE");
  return compare(!no_linear, RealImage(read_file(words.back())));
}

}  // namespace
}  // namespace ferry::test

int main(int argc, char** argv) {
  try {
    return ferry::test::run({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    fmt::print(stderr, "ferry_audit_on_xen: {}\n", error.what());
    return 2;
  }
}
