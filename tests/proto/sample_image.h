// Small images for the tests of the format, and what is needed to read one completely.
#pragma once

#include <string>
#include <vector>

#include "proto/image_file.h"
#include "proto/pages.h"
#include "proto/record.h"

namespace ferry::test {

// A file in the temporary folder that is gone when this is.
class TempFile {
 public:
  TempFile();
  explicit TempFile(std::span<const std::byte> content);
  ~TempFile();
  TempFile(const TempFile&) = delete;
  TempFile& operator=(const TempFile&) = delete;

  const std::string& path() const { return path_; }
  int fd() const { return fd_; }
  void set(std::span<const std::byte> content);

 private:
  std::string path_;
  int fd_;
};

// A page whose bytes follow from seed, compressible or not.
Bytes page_bytes(uint64_t seed, bool compressible = true);

v1::Head sample_head(uint64_t nr_pfns);

// Pages of one record.
struct Batch {
  uint32_t round = 0;
  std::vector<PageRun> runs;
  Bytes pages;

  void add(uint64_t pfn, v1::PageKind kind, uint64_t seed = 0, bool compressible = true);
};

// 64 pfns in two rounds, every page kind and every kind of record. About 20 KiB.
inline constexpr uint64_t kSamplePfns = 64;
std::vector<Batch> sample_batches();
Bytes sample_image(int level);

// The records of a sound image; throws what its readers throw.
std::vector<RawRecord> read_records(std::span<const std::byte> image);

// Reads an image as a restore would: every record, its digest, its body. Pages stay compressed,
// which would take most of the time of tests that read thousands of images.
void read_stream(ByteSource& source);
void read_stream(std::span<const std::byte> image);

// A record with any bytes as its body, framed and digested.
Bytes record_with_body(unsigned field, std::span<const std::byte> body, uint64_t sequence = 0);

// The records' own bytes one behind the other: an image again if they are in order.
Bytes join(const std::vector<Bytes>& records);

}  // namespace ferry::test
