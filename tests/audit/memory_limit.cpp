// Runs all commands on a file and looks at the most memory that each had.
#include "tests/audit/memory_limit.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>

#include "tests/audit/image_builder.h"
#include "tests/audit/run_program.h"

namespace ferry::test {
namespace {

namespace fs = std::filesystem;

// A folder with a file that a child process writes: what a process has used counts, through exec,
// as used by the programs it starts, so this one must stay small.
class FileOf {
 public:
  explicit FileOf(const std::function<Bytes()>& make, const std::string& name = "")
      : folder_(fs::temp_directory_path() / ("ferry-memory-" + std::to_string(::getpid()) + name)) {
    fs::create_directory(folder_);
    const pid_t child = ::fork();
    if (child == 0) ::_exit(write(make) ? 0 : 1);
    int status = 1;
    if (::waitpid(child, &status, 0) != child || status != 0)
      throw std::runtime_error("cannot make the file");
  }
  ~FileOf() { fs::remove_all(folder_); }
  std::string path() const { return folder_ / "file"; }
  std::string beside() const { return folder_ / "other"; }

 private:
  bool write(const std::function<Bytes()>& make) const try {
    const Bytes bytes = make();
    std::ofstream out(path(), std::ios::binary);
    out.write(reinterpret_cast<const char*>(bytes.data()),
              static_cast<std::streamsize>(bytes.size()));
    return out.flush().good();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return false;
  }

  fs::path folder_;
};

std::vector<std::vector<std::string>> commands(const std::string& file, const std::string& other) {
  return {{"audit", file},
          {"audit", "--json", file},
          {"inspect", file},
          {"inspect", "--json", file},
          {"inspect", "--pages", file},
          {"inspect", "--pages", "--json", file},
          {"inspect", "--html", other, file},
          {"walk", file, "0xffffffff81000000"},
          {"cat", "--vaddr", "0xffffffff81000000", file},
          {"cat", file, "0..0xff"},
          {"cat", "--json", file, "0..0x3ff"},
          {"core", file, other},
          {"dmesg", file},
          {"ps", file},
          {"diff", file, file},
          {"find", file, "Linux version"},
          {"find", "--as", "regex", file, "Linux version [0-9]"},
          {"squash", file, other},
          {"verify", fs::path(file).parent_path()},
          {"convert", file, other},  // a stream to an image, an image to a file of xl
          {"convert", "--to", "libxc", file, other},
          {"convert", "--to", "ferry-xl", file, other}};
}

// Which of the commands are tried on a file: all, or with FERRY_EVERY_NTH=N every Nth, from another
// one for each file.
class Choice {
 public:
  Choice() {
    const char* nth = std::getenv("FERRY_EVERY_NTH");
    if (!nth) return;
    nth_ = static_cast<size_t>(std::max(1, std::atoi(nth)));
    first_ = std::random_device()() % nth_;
  }
  static Choice all() { return Choice(1, 0); }
  bool has(size_t command) const { return command % nth_ == first_; }

 private:
  Choice(size_t nth, size_t first) : nth_(nth), first_(first) {}

  size_t nth_ = 1, first_ = 0;
};

// ferry restore of a file onto an empty simulated host.
std::vector<std::string> restore_command(const std::string& file, const std::string& other) {
  return {"--host", other + ".host", "restore", file};
}

// What a command of the program had at most. It ends by itself, with whatever result.
Outcome outcome_of(const char* program, std::vector<std::string> words) {
  const std::string what = testing::PrintToString(words);
  // What it prints must not make this process large.
  words.insert(words.begin(), {"/bin/sh", "-c", "exec \"$@\" >/dev/null", "sh", program});
  Outcome outcome = run_program(words);
  EXPECT_LT(outcome.exit_code, 128) << what;
  EXPECT_GT(outcome.peak_bytes, 1u << 20) << what;
  return outcome;
}

// The peak of each chosen command; the restore, which is the last one, is always tried.
std::map<size_t, Outcome> outcomes_of(const FileOf& file, const Choice& choice) {
  std::map<size_t, Outcome> outcomes;
  const std::vector<std::vector<std::string>> readers = commands(file.path(), file.beside());
  for (size_t i = 0; i < readers.size(); ++i) {
    if (!choice.has(i)) continue;
    outcomes[i] = outcome_of(FERRY_PROGRAM, readers[i]);
    fs::remove(file.beside());
  }
  outcomes[readers.size()] =
      outcome_of(FERRY_SIM_PROGRAM, restore_command(file.path(), file.beside()));
  for (const char* left : {".host", ".host.run", ".host.jobs"})
    fs::remove_all(file.beside() + left);
  return outcomes;
}

Bytes tiny_image() {
  TestGuest guest;
  guest.head.set_p2m_root_pfn(TestGuest::kUserL4);
  guest.config.emplace().set_libxl_json(
      R"({"c_info":{"name":"tiny","uuid":"11111111-2222-3333-4444-555555555555"},)"
      R"("b_info":{"max_vcpus":2,"max_memkb":4096}})");
  return build(guest);
}

}  // namespace

void expect_modest(uint64_t pfns, const std::function<Bytes()>& make) {
  const uint64_t limit = (64u << 20) + 32 * pfns;
  const FileOf file(make);
  const std::vector<std::vector<std::string>> readers = commands(file.path(), file.beside());
  const Choice choice;
  uint64_t most = 0;
  for (size_t i = 0; i < readers.size(); ++i) {
    if (!choice.has(i)) continue;
    const Outcome outcome = outcome_of(FERRY_PROGRAM, readers[i]);
    EXPECT_LE(outcome.peak_bytes, limit)
        << testing::PrintToString(readers[i]) << ": " << outcome.err;
    most = std::max(most, outcome.peak_bytes);
    fs::remove(file.beside());
  }
  fmt::print("{} MiB of {}\n", most >> 20, limit >> 20);
}

void expect_modest_chain(uint64_t pfns, const std::function<Bytes()>& make_base,
                         const std::function<Bytes(const std::string&)>& make_delta) {
  const FileOf base(make_base, "base");
  const FileOf file([&] { return make_delta(base.path()); }, "delta");
  const uint64_t limit = (64u << 20) + 32 * pfns;
  uint64_t most = 0;
  for (std::vector<std::string> words : commands(file.path(), file.beside())) {
    if (words[0] != "verify" && words[0] != "diff")
      words.insert(words.begin() + 1, {"--base", base.path()});
    else if (words[0] == "diff")
      words = {"diff", "--base", base.path(), base.path(), file.path()};
    const Outcome outcome = outcome_of(FERRY_PROGRAM, words);
    EXPECT_LE(outcome.peak_bytes, limit)
        << testing::PrintToString(words) << ": " << outcome.err.substr(0, 1000);
    most = std::max(most, outcome.peak_bytes);
    fs::remove(file.beside());
  }
  fmt::print("{} MiB of {}\n", most >> 20, limit >> 20);
}

void expect_bounded(const char* what, uint64_t said_pages, const std::function<Bytes()>& make) {
  constexpr uint64_t kDomainPages = 1024;  // as its configuration says
  static const std::map<size_t, Outcome> tiny = outcomes_of(FileOf(tiny_image), Choice::all());
  const FileOf file(make);
  const std::vector<std::vector<std::string>> readers = commands("FILE", "OTHER");
  fmt::print("{}: {} KiB of file, MiB beyond a tiny image:", what,
             fs::file_size(file.path()) >> 10);
  for (const auto& [i, outcome] : outcomes_of(file, Choice())) {
    const bool restore = i == readers.size();
    const uint64_t tiny_peak = tiny.at(i).peak_bytes;
    const uint64_t limit =
        (64u << 20) + (restore ? 24 * kDomainPages : 32 * said_pages) + tiny_peak;
    fmt::print(" {}:{}", restore ? "restore" : readers[i][0],
               (static_cast<int64_t>(outcome.peak_bytes) - static_cast<int64_t>(tiny_peak)) >> 20);
    EXPECT_LE(outcome.peak_bytes, limit)
        << what << ": " << (restore ? "restore" : testing::PrintToString(readers[i])) << ": "
        << outcome.err.substr(0, 1000);
  }
  fmt::print("\n");
}

}  // namespace ferry::test
