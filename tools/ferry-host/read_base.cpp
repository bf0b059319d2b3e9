// What the base of a delta says of its pages, read by a process without rights into memory that it
// shares with this one.
#include "tools/ferry-host/read_base.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <thread>

#include "delta/image_files.h"
#include "delta/read_base.h"
#include "error/error.h"
#include "pipeline/pipeline.h"
#include "proto/pages.h"
#include "tools/ferry-host/page_hashes.h"
#include "tools/ferry-host/say_confined.h"

namespace ferry::host {
namespace {

constexpr unsigned kMostThreads = 4;
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

bool are_page_hashes(const InputFile& file) {
  std::array<std::byte, BasePages::kFirstBytes> first;
  if (file.size() < first.size()) return false;
  file.read_at(0, first);
  return BasePages::begins_so(first);
}

// They stand for the base, which need not be here.
void read_page_hashes(const InputFile& file, BasePages& pages) {
  FileSource source(file, 0, file.size());
  try {
    pages.read_from(source);
  } catch (const Error& e) {
    throw Error(e.code(), fmt::format("{}: {}", file.path(), e.what()));
  }
}

}  // namespace

BasePages read_base(const std::vector<std::string>& files, bool confined, HeldFiles& held) {
  BasePages pages = BasePages::make(most_pfns_of_a_base());
  if (files.size() == 1) {
    const InputFile file(files.front());
    if (are_page_hashes(file)) {
      read_page_hashes(file, pages);
      return pages;
    }
  }
  const delta::ImageFiles base = open_base(files);
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
