// An image and what it builds upon, opened before a process gives up its rights.
#include "delta/image_files.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <system_error>
#include <thread>

#include "delta/chain.h"
#include "error/error.h"

namespace ferry::delta {
namespace {

namespace fs = std::filesystem;

constexpr unsigned kMostThreads = 4;  // to prove links: what is under way stays small

}  // namespace

std::vector<InputFile> open_folder(const std::string& path, size_t most) {
  std::error_code error;
  std::vector<std::string> names;
  for (fs::directory_iterator at(path, error), end; !error && at != end; at.increment(error)) {
    const std::string name = at->path().filename();
    if (name.starts_with('.') || !at->is_regular_file(error)) continue;
    if (names.size() == most)
      fail(Errc::usage, "{} has more than {} files: name those that are meant", path, most);
    names.push_back(at->path());
  }
  if (error) fail_errno(Errc::io, error.value(), fmt::format("cannot read the folder {}", path));
  std::ranges::sort(names);
  std::vector<InputFile> files;
  for (const std::string& name : names) files.emplace_back(name);
  return files;
}

ImageFiles::ImageFiles(const std::string& file, const std::vector<std::string>& bases)
    : newest_(file) {
  std::error_code ignored;
  for (const std::string& base : bases) {
    if (!fs::is_directory(base, ignored)) {
      bases_.emplace_back(base);
      continue;
    }
    if (bases.size() != 1)
      fail(Errc::usage, "{} is a folder: name one folder, or the files, the oldest first", base);
    bases_ = open_folder(base, kMostInFolder);
    to_be_found_ = true;
  }
}

ImageFiles ImageFiles::found_among(const std::string& file,
                                   const std::vector<std::string>& others) {
  ImageFiles files(file);
  files.to_be_found_ = !others.empty();
  std::error_code ignored;
  for (const std::string& other : others) {
    if (!fs::is_directory(other, ignored)) {
      files.bases_.emplace_back(other);
      continue;
    }
    const std::vector<InputFile> in_it = open_folder(other, kMostInFolder);
    files.bases_.insert(files.bases_.end(), in_it.begin(), in_it.end());
  }
  return files;
}

uint64_t ImageFiles::size() const {
  uint64_t bytes = newest_.size();
  for (const InputFile& base : bases_) bytes += base.size();
  return bytes;
}

std::vector<std::string> ImageFiles::paths() const {
  std::vector<std::string> paths{newest_.path()};
  for (const InputFile& base : bases_) paths.push_back(base.path());
  return paths;
}

std::vector<int> ImageFiles::descriptors() const {
  std::vector<int> all{newest_.descriptor()};
  for (const InputFile& base : bases_) all.push_back(base.descriptor());
  return all;
}

std::vector<InputFile> ImageFiles::links() const {
  if (to_be_found_) return find_links(newest_, bases_);
  std::vector<InputFile> links = bases_;
  links.push_back(newest_);
  return links;
}

ImageFile ImageFiles::open() const {
  if (alone()) return ImageFile::open(newest_);
  const unsigned threads = std::clamp(std::thread::hardware_concurrency(), 1u, kMostThreads);
  return open_chain(links(), *make_thread_executor(threads));
}

}  // namespace ferry::delta
