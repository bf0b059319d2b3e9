// Runs all commands on a file and looks at the most memory that each had.
#include "tests/audit/memory_limit.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "tests/audit/run_program.h"

namespace ferry::test {
namespace {

namespace fs = std::filesystem;

// A folder with a file that a child process writes: what a process has used counts, through exec,
// as used by the programs it starts, so this one must stay small.
class FileOf {
 public:
  explicit FileOf(const std::function<Bytes()>& make)
      : folder_(fs::temp_directory_path() / ("ferry-memory-" + std::to_string(::getpid()))) {
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
          {"convert", file, other},  // a stream to an image, an image to a file of xl
          {"convert", "--to", "libxc", file, other},
          {"convert", "--to", "ferry-xl", file, other}};
}

}  // namespace

void expect_modest(uint64_t pfns, const std::function<Bytes()>& make) {
  const uint64_t limit = (64u << 20) + 32 * pfns;
  const FileOf file(make);
  uint64_t most = 0;
  for (std::vector<std::string> words : commands(file.path(), file.beside())) {
    const std::string what = testing::PrintToString(words);
    // What it prints must not make this process large.
    words.insert(words.begin(), {"/bin/sh", "-c", "exec \"$@\" >/dev/null", "sh", FERRY_PROGRAM});
    const Outcome outcome = run_program(words);
    EXPECT_LT(outcome.exit_code, 128) << what;
    EXPECT_GT(outcome.peak_bytes, 1u << 20) << what;
    EXPECT_LE(outcome.peak_bytes, limit) << what << ": " << outcome.err;
    most = std::max(most, outcome.peak_bytes);
    fs::remove(file.beside());
  }
  fmt::print("{} MiB of {}\n", most >> 20, limit >> 20);
}

}  // namespace ferry::test
