// What the base of a delta says of its pages, read by a process without rights into memory that it
// shares with this one.
#include "tools/ferry-host/read_base.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <thread>

#include "delta/image_files.h"
#include "delta/read_base.h"
#include "error/error.h"
#include "pipeline/pipeline.h"
#include "proto/pages.h"
#include "tools/ferry-host/say_confined.h"

namespace ferry::host {
namespace {

constexpr unsigned kMostThreads = 4;
constexpr uint64_t kBytesPerPfn = 16;
constexpr uint64_t kShareOfMemory = 8;  // of this machine's, at most, for what the base says

// A guest's map of pfns is larger than its memory only where it was made small.
uint64_t most_pfns() {
  const auto pages = static_cast<uint64_t>(std::max(0L, sysconf(_SC_PHYS_PAGES)));
  const auto page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  return std::min(kMaxPfns, pages * page / kShareOfMemory / kBytesPerPfn);
}

delta::ImageFiles open_base(const std::vector<std::string>& files) {
  const std::string& base = files.back();
  if (files.size() > 1) return delta::ImageFiles(base, {files.begin(), files.end() - 1});
  const std::string folder = std::filesystem::path(base).parent_path();
  return delta::ImageFiles::found_among(base, {folder.empty() ? "." : folder});
}

// Which of all that are open, one character each: those may be a whole folder's.
std::string numbers_of(const std::vector<InputFile>& links, const std::vector<int>& all) {
  std::string used(all.size(), '-');
  for (const InputFile& link : links)
    used[static_cast<size_t>(std::find(all.begin(), all.end(), link.descriptor()) - all.begin())] =
        'x';
  return used;
}

void hold(const delta::ImageFiles& files, const std::string& used, HeldFiles& held) {
  const std::vector<int> all = files.descriptors();
  const std::vector<std::string> paths = files.paths();
  if (used.size() != all.size())
    fail(Errc::internal, "what reads {} says what makes no sense", files.path());
  for (size_t i = 0; i < all.size(); ++i)
    if (used[i] == 'x') held.hold(all[i], paths[i]);
}

}  // namespace

BasePages read_base(const std::vector<std::string>& files, bool confined, HeldFiles& held) {
  const delta::ImageFiles base = open_base(files);
  BasePages pages = BasePages::make(most_pfns());
  const auto body = [&] {
    const unsigned threads = std::clamp(std::thread::hardware_concurrency(), 1u, kMostThreads);
    const std::vector<InputFile> links = base.links();
    delta::read_base(links, pages, *make_thread_executor(threads));
    return numbers_of(links, base.descriptors());
  };
  hold(base, confined ? say_confined(base.path(), base.size(), body) : body(), held);
  return pages;
}

}  // namespace ferry::host
