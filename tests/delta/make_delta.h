// Deltas of small images, made by comparing two whole ones: with nothing of the engine.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "io/input_file.h"
#include "proto/image_file.h"
#include "tests/audit/audit_image.h"

namespace ferry::test {

// By the words of docs/format.md, with nothing of delta/: SHA-256 over the SHA-256 of each record.
std::string sha256_of_image(std::span<const std::byte> image);

// What `whole` says and `base`, an image or a delta with the chain below it applied, does not; only
// pages are left out. named: the image whose hash goes into the head, as it is in its file.
// sha256: instead of the right one.
Bytes delta_of(const ImageFile& base, std::span<const std::byte> named,
               std::span<const std::byte> whole, const std::optional<std::string>& sha256 = {});

// Images in memory as files, opened as a chain.
class ChainFiles {
 public:
  explicit ChainFiles(const std::vector<Bytes>& links);
  const std::vector<InputFile>& inputs() const { return inputs_; }
  const std::string& path(size_t i) const { return files_[i]->path(); }
  MemoryFile& file(size_t i) { return *files_[i]; }

 private:
  std::vector<std::unique_ptr<MemoryFile>> files_;
  std::vector<InputFile> inputs_;
};

// Kind and bytes of each pfn below the larger of both ends; a pfn that is not there is absent.
// Sentences about the first few that are not the same.
std::vector<std::string> pages_that_differ(const ImageFile& a, const ImageFile& b);
// Kinds of records other than pages that are not the same, in order; head and timeline excepted.
std::vector<std::string> records_that_differ(const ImageFile& a, const ImageFile& b);

}  // namespace ferry::test
