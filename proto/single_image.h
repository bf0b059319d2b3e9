// An image that is one file. Private to this folder.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "error/error.h"
#include "io/input_file.h"
#include "proto/image_source.h"
#include "proto/record_reader.h"

namespace ferry {

class SingleImage final : public ImageSource {
 public:
  SingleImage(InputFile file, Deltas deltas);

  const ImagePlace& place() const override { return place_; }
  const v1::Head& head() const override { return head_; }
  const v1::IndexRoot& root() const override { return root_; }
  const v1::End& end() const override { return end_; }
  std::unique_ptr<ByteSource> stream() const override {
    return std::make_unique<FileSource>(file_, place_.offset, place_.bytes);
  }
  RawRecord raw(uint64_t offset) const override;
  std::vector<IndexRun> part(uint64_t i) const override;
  const std::string& path_of(uint64_t) const override { return file_.path(); }

  const std::string& path() const { return file_.path(); }
  uint64_t parts() const { return part_offsets_.size(); }
  const std::vector<uint64_t>& other_offsets() const { return other_offsets_; }
  // Where the index begins; all Pages records lie before it.
  uint64_t index_offset() const { return part_offsets_.front(); }
  // The first bytes of what lies there, fewer at the image's end.
  Bytes peek(uint64_t offset, size_t bytes) const;

  // Puts the file's name in front of what went wrong.
  template <typename Body>
  auto named(Body body) const {
    try {
      return body();
    } catch (const Error& error) {
      if (error.code() == Errc::io) throw;  // has it already
      throw Error(error.code(), fmt::format("{}: {}", file_.path(), error.what()),
                  error.os_errno());
    }
  }

 private:
  void read_end();
  void read_root();
  void read_head(Deltas deltas);

  RawRecord read_raw(uint64_t offset) const;
  // The same; it must be of this kind.
  v1::Record parsed(uint64_t offset, uint32_t kind, const char* what) const;
  std::vector<IndexRun> read_part(uint64_t i) const;

  InputFile file_;
  ImagePlace place_;
  v1::End end_;
  v1::IndexRoot root_;
  v1::Head head_;
  std::vector<uint64_t> part_offsets_, other_offsets_;
};

}  // namespace ferry
