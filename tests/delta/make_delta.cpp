// Deltas of small images, made by comparing two whole ones.
#include "tests/delta/make_delta.h"

#include <openssl/sha.h>

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "proto/record_reader.h"
#include "proto/record_writer.h"

namespace ferry::test {
namespace {

std::string hash_of(std::string_view bytes) {
  std::string hash(SHA256_DIGEST_LENGTH, '\0');
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
         reinterpret_cast<unsigned char*>(hash.data()));
  return hash;
}

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::vector<RawRecord> records_of(std::span<const std::byte> image) {
  MemorySource source(image);
  RecordReader reader(source);
  std::vector<RawRecord> records;
  while (auto record = reader.next()) records.push_back(std::move(*record));
  return records;
}

struct Page {
  v1::PageKind kind = v1::ABSENT;
  Bytes bytes;
  bool operator==(const Page&) const = default;
};

Page page_of(const ImageFile& image, uint64_t pfn) {
  if (pfn >= image.head().nr_pfns()) return {};
  const auto entries = image.read_part(pfn / kPfnsPerIndexPart);
  Page page{entries[pfn % kPfnsPerIndexPart].kind, {}};
  std::array<std::byte, kPageSize> bytes;
  if (image.read_page(pfn_t(pfn), bytes)) page.bytes.assign(bytes.begin(), bytes.end());
  return page;
}

}  // namespace

std::string sha256_of_image(std::span<const std::byte> image) {
  std::string all;
  for (const RawRecord& record : records_of(image)) all += hash_of(text_of(record.bytes));
  return hash_of(all);
}

Bytes delta_of(const ImageFile& base, std::span<const std::byte> named,
               std::span<const std::byte> whole, const std::optional<std::string>& sha256) {
  const MemoryFile file(whole);
  const ImageFile image = ImageFile::open(file.path());
  const std::vector<RawRecord> of_base = records_of(named);
  MemorySink sink;
  RecordWriter writer(sink, image.head().nr_pfns());
  PagesEncoder encoder(1);
  bool pages_written = false;
  for (const RawRecord& raw : records_of(whole)) {
    if (raw.kind == v1::Record::kPages && !pages_written) {
      pages_written = true;
      std::vector<PageRun> runs;
      Bytes pages;
      for (uint64_t pfn = 0; pfn < image.head().nr_pfns(); ++pfn) {
        const Page page = page_of(image, pfn);
        if (pfn < base.head().nr_pfns() && page == page_of(base, pfn)) continue;
        append_page(runs, pfn_t(pfn), page.kind);
        pages.insert(pages.end(), page.bytes.begin(), page.bytes.end());
      }
      writer.write_pages(encoder.encode(writer.next_sequence(), 0, runs, pages), runs);
    }
    if (raw.kind == v1::Record::kMagic || raw.kind == v1::Record::kPages ||
        raw.kind >= v1::Record::kIndexPart)
      continue;
    v1::Record record = parse_record(raw);
    if (record.has_head()) {
      record.mutable_head()->add_required_features("delta");
      v1::Base& to = *record.mutable_head()->mutable_base();
      to.set_sha256(sha256 ? *sha256 : sha256_of_image(named));
      to.set_bytes(named.size());
      to.set_digest_of_digests(parse_record(of_base.back()).end().digest_of_digests());
    }
    writer.write(std::move(record));
  }
  writer.finish();
  return sink.bytes();
}

ChainFiles::ChainFiles(const std::vector<Bytes>& links) {
  for (const Bytes& link : links) {
    files_.push_back(std::make_unique<MemoryFile>(link));
    inputs_.emplace_back(files_.back()->path());
  }
}

std::vector<std::string> pages_that_differ(const ImageFile& a, const ImageFile& b) {
  std::vector<std::string> sentences;
  const uint64_t pfns = std::max(a.head().nr_pfns(), b.head().nr_pfns());
  for (uint64_t pfn = 0; pfn < pfns && sentences.size() < 20; ++pfn) {
    const Page x = page_of(a, pfn), y = page_of(b, pfn);
    if (x == y) continue;
    size_t at = 0;
    while (at < x.bytes.size() && at < y.bytes.size() && x.bytes[at] == y.bytes[at]) ++at;
    sentences.push_back(fmt::format("pfn {:#x}: {} and {}, from byte {} on", pfn, kind_name(x.kind),
                                    kind_name(y.kind), at));
  }
  return sentences;
}

std::vector<std::string> records_that_differ(const ImageFile& a, const ImageFile& b) {
  const auto read = [](const ImageFile& image) {
    std::vector<std::pair<uint32_t, std::string>> records;
    image.for_each_other([&](const RawRecord& raw) {
      if (raw.kind != v1::Record::kHead && raw.kind != v1::Record::kTimeline)
        records.emplace_back(raw.kind, text_of(raw.body()));
      return true;
    });
    return records;
  };
  const auto x = read(a), y = read(b);
  std::vector<std::string> sentences;
  for (size_t i = 0; i < std::max(x.size(), y.size()); ++i) {
    const bool there = i < x.size() && i < y.size();
    if (there && x[i] == y[i]) continue;
    sentences.push_back(fmt::format("record {}: kind {} and {}", i, i < x.size() ? x[i].first : 0,
                                    i < y.size() ? y[i].first : 0));
  }
  return sentences;
}

}  // namespace ferry::test
