// Files that are one image together, in the order in which stream() has their records:
//
//   newest | Magic | Head, without its base | all before its first Pages |
//   older  | Pages … of the oldest | … | Pages … of the newest's base |
//   newest | from its first Pages on, up to its index |
//   made   | IndexPart 0 | IndexPart 1 | … | IndexRoot | End |
//
// Records stay the bytes that they are, but for their number and digest, so the index leads to any
// page without one of them having been decompressed.
#include "proto/image_chain.h"

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <utility>

#include "error/error.h"
#include "proto/index.h"
#include "proto/single_image.h"

namespace ferry {
namespace {

constexpr std::byte kPagesTag{v1::Record::kPagesFieldNumber << 3 | 2};
constexpr size_t kBodyAt = kRecordPrefix + 1 + 8;
constexpr size_t kMostPieces = 1 << 16;  // of one file; ferry writes its Pages records in one

// Records of one link that lie together in its file, and in the image.
struct Piece {
  size_t link;
  uint64_t from, to;     // in the link's image
  uint64_t sequence;     // of the first record there
  uint64_t records = 0;  // how many they are
  uint64_t at = 0;       // in the whole image
  uint64_t number = 0;   // of the first record there
};

// What a link has before its index.
struct Walked {
  std::vector<Piece> pages;  // its Pages records
  uint64_t records = 0;      // of all kinds, Magic included
  uint64_t pages_records = 0;
  uint64_t pages_bytes = 0;
};

Walked walk(const SingleImage& link, size_t number) {
  Walked walked;
  uint64_t at = kMagicRecord, sequence = 1;
  for (const uint64_t end = link.index_offset(); at < end; ++sequence) {
    const Bytes first = link.peek(at, kBodyAt + 1);
    const uint64_t whole = record_length(first, sequence, at);
    if (whole > end - at)
      fail(Errc::bad_image, "record {} at byte {} goes into the index", sequence, at);
    if (first.size() > kBodyAt && first[kBodyAt] == kPagesTag) {
      if (walked.pages.empty() || walked.pages.back().to != at)
        walked.pages.push_back({number, at, at, sequence});
      if (walked.pages.size() > kMostPieces)
        fail(Errc::unsupported, "its pages lie in more than {} pieces", kMostPieces);
      Piece& piece = walked.pages.back();
      piece.to = at + whole;
      ++piece.records;
      ++walked.pages_records;
      walked.pages_bytes += whole;
    }
    at += whole;
  }
  walked.records = sequence;
  return walked;
}

// Whether this is the image that the delta names, as far as its End tells.
bool names(const SingleImage& delta, const SingleImage& base) {
  const v1::Base& named = delta.head().base();
  return is_delta(delta.head()) && named.bytes() == base.end().bytes() &&
         named.digest_of_digests() == base.end().digest_of_digests();
}

class ImageChain final : public ImageSource, public std::enable_shared_from_this<ImageChain> {
 public:
  explicit ImageChain(const std::vector<InputFile>& links);

  const ImagePlace& place() const override { return place_; }
  const v1::Head& head() const override { return head_; }
  const v1::IndexRoot& root() const override { return root_; }
  const v1::End& end() const override { return end_; }
  std::unique_ptr<ByteSource> stream() const override;
  RawRecord raw(uint64_t offset) const override;
  std::vector<IndexRun> part(uint64_t i) const override { return merged(i, nullptr); }
  const std::string& path_of(uint64_t offset) const override;

 private:
  friend class ChainStream;
  using Counts = std::map<std::pair<size_t, int>, uint64_t>;  // of a link and a kind: pages

  void check_links() const;
  void lay_out();
  void add_piece(Piece piece);
  void make_index();
  void sum_up(const Counts& counts);
  std::vector<IndexRun> merged(uint64_t i, Counts* counts) const;
  uint64_t in_image(size_t link, uint64_t offset) const;
  const Piece* piece_at(uint64_t offset) const;
  Bytes part_record(uint64_t i) const;
  Bytes root_record() const;

  std::vector<std::unique_ptr<SingleImage>> links_;
  std::vector<Piece> pieces_;                  // in the image's order
  std::vector<std::vector<Piece>> pieces_of_;  // of each link, in its file's order
  std::vector<uint64_t> part_offsets_;
  ImagePlace place_;
  v1::Head head_;
  v1::IndexRoot root_;
  v1::End end_;  // without the digest, which only who reads it all knows
  Bytes head_record_;
  uint64_t next_at_ = 0, next_number_ = 0;
  uint64_t first_part_number_ = 0;
};

ImageChain::ImageChain(const std::vector<InputFile>& links) {
  if (links.empty()) fail(Errc::internal, "a chain of images has no link");
  for (const InputFile& file : links)
    links_.push_back(std::make_unique<SingleImage>(file, Deltas::taken));
  check_links();
  place_ = links_.back()->place();
  head_ = links_.back()->head();
  head_.clear_base();
  head_.clear_required_features();  // there was none but the delta's
  lay_out();
  make_index();
}

void ImageChain::check_links() const {
  const SingleImage& oldest = *links_.front();
  if (is_delta(oldest.head()))
    fail(Errc::bad_image, "{} is a delta, and its base is missing: the image with the SHA-256 {}",
         oldest.path(), hex_of(oldest.head().base().sha256()));
  for (size_t i = 1; i < links_.size(); ++i) {
    const SingleImage &link = *links_[i], &before = *links_[i - 1];
    if (!is_delta(link.head()))
      fail(Errc::bad_image, "{} is a whole image, and no delta of {}", link.path(), before.path());
    if (!names(link, before)) {
      const auto named =
          std::ranges::find_if(links_, [&](const auto& of) { return names(link, *of); });
      fail(Errc::bad_image, "{} is not a delta of {}, but of {}", link.path(), before.path(),
           named != links_.end()
               ? (*named)->path()
               : fmt::format("the image with the SHA-256 {}", hex_of(link.head().base().sha256())));
    }
    if (link.head().nr_pfns() < before.head().nr_pfns())
      fail(Errc::bad_image, "{} has {} pfns, fewer than the {} of {}, which is its base",
           link.path(), link.head().nr_pfns(), before.head().nr_pfns(), before.path());
  }
}

void ImageChain::add_piece(Piece piece) {
  if (piece.records == 0) return;
  piece.at = next_at_;
  piece.number = next_number_;
  next_at_ += piece.to - piece.from;
  next_number_ += piece.records;
  pieces_.push_back(piece);
  pieces_of_[piece.link].push_back(piece);
}

void ImageChain::lay_out() {
  const size_t newest = links_.size() - 1;
  const SingleImage& link = *links_[newest];
  pieces_of_.resize(links_.size());
  v1::Record head;
  head.set_sequence(1);
  *head.mutable_head() = head_;
  head_record_ = encode_record(head);
  next_at_ = kMagicRecord + head_record_.size();
  next_number_ = 2;

  const Walked last = link.named([&] { return walk(link, newest); });
  const uint64_t behind_head =
      kMagicRecord + record_length(link.peek(kMagicRecord, kRecordPrefix), 1, kMagicRecord);
  const uint64_t pages = last.pages.empty() ? link.index_offset() : last.pages.front().from;
  const uint64_t sequence = last.pages.empty() ? last.records : last.pages.front().sequence;
  add_piece({newest, behind_head, pages, 2, sequence - 2});
  root_.set_pages_records(last.pages_records);
  root_.set_pages_bytes(last.pages_bytes);
  for (size_t i = 0; i < newest; ++i) {
    const Walked walked = links_[i]->named([&] { return walk(*links_[i], i); });
    for (const Piece& piece : walked.pages) add_piece(piece);
    root_.set_pages_records(root_.pages_records() + walked.pages_records);
    root_.set_pages_bytes(root_.pages_bytes() + walked.pages_bytes);
  }
  add_piece({newest, pages, link.index_offset(), sequence, last.records - sequence});
}

// Where the image has what lies there in the link's file.
uint64_t ImageChain::in_image(size_t link, uint64_t offset) const {
  const std::vector<Piece>& pieces = pieces_of_[link];
  const auto after = std::ranges::upper_bound(pieces, offset, {}, &Piece::from);
  if (after == pieces.begin() || offset >= std::prev(after)->to)
    fail(Errc::bad_image, "{}: the index has pages at byte {}, where there is no such record",
         links_[link]->path(), offset);
  return std::prev(after)->at + (offset - std::prev(after)->from);
}

// Null if none of the links has it.
const Piece* ImageChain::piece_at(uint64_t offset) const {
  const auto after = std::ranges::upper_bound(pieces_, offset, {}, &Piece::at);
  if (after == pieces_.begin()) return nullptr;
  const Piece& piece = *std::prev(after);
  return offset - piece.at < piece.to - piece.from ? &piece : nullptr;
}

// What the newest link says of each pfn, or the newest that says something.
std::vector<IndexRun> ImageChain::merged(uint64_t i, Counts* counts) const {
  struct Word {
    uint64_t offset = 0;
    int32_t link = -1;
    v1::PageKind kind = v1::ABSENT;
    bool operator==(const Word&) const = default;
  };
  const uint64_t first = i * kPfnsPerIndexPart;
  if (i >= index_parts(head_.nr_pfns()))
    fail(Errc::bad_image, "{}: the index has no part {}", links_.back()->path(), i);
  std::vector<Word> words(std::min(kPfnsPerIndexPart, head_.nr_pfns() - first));
  for (size_t link = 0; link < links_.size(); ++link) {
    if (i >= links_[link]->parts()) continue;
    for (const IndexRun& run : links_[link]->part(i)) {
      const uint64_t offset = has_data(run.kind) ? in_image(link, run.record_offset) : 0;
      std::fill_n(words.begin() + static_cast<ptrdiff_t>(run.first - first), run.count,
                  Word{offset, static_cast<int32_t>(link), run.kind});
    }
  }
  std::vector<IndexRun> runs;
  auto counter = counts ? counts->end() : Counts::iterator();
  for (size_t n = 0; n < words.size(); ++n) {
    const Word& word = words[n];
    if (word.link < 0) continue;
    if (counts) {
      const std::pair<size_t, int> of(word.link, word.kind);
      if (counter == counts->end() || counter->first != of)
        counter = counts->try_emplace(of, 0).first;
      ++counter->second;
    }
    if (!runs.empty() && runs.back().first + runs.back().count == first + n &&
        runs.back().kind == word.kind && runs.back().record_offset == word.offset)
      ++runs.back().count;
    else
      runs.push_back({first + n, 1, word.kind, word.offset});
  }
  return runs;
}

void ImageChain::make_index() {
  first_part_number_ = next_number_;
  Counts counts;
  uint64_t before = 0;
  for (uint64_t i = 0; i < index_parts(head_.nr_pfns()); ++i) {
    v1::Record record;
    record.set_sequence(next_number_++);
    *record.mutable_index_part() = index_part_of(i, merged(i, &counts));
    part_offsets_.push_back(next_at_);
    root_.add_part_offsets(next_at_ - before);
    before = next_at_;
    next_at_ += encode_record(record).size();
  }
  before = 0;
  const size_t newest = links_.size() - 1;
  for (const uint64_t offset : links_[newest]->other_offsets()) {
    if (offset >= links_[newest]->index_offset()) break;
    const uint64_t at = offset == kMagicRecord ? offset : in_image(newest, offset);
    if (at <= before)
      fail(Errc::bad_image, "{}: the index's root names records out of order",
           links_[newest]->path());
    root_.add_other_offsets(at - before);
    before = at;
  }
  sum_up(counts);
  end_.set_index_root_offset(next_at_);
  end_.set_records(next_number_ + 2);
  end_.set_bytes(next_at_ + root_record().size() + kEndRecord);
  place_.bytes = end_.bytes();
}

// A link's pages of one kind take as many bytes each as they do on average there.
void ImageChain::sum_up(const Counts& counts) {
  std::array<uint64_t, v1::PageKind_ARRAYSIZE> pages{}, bytes{};
  for (const auto& [of, many] : counts) {
    const auto kind = static_cast<size_t>(of.second);
    pages[kind] += many;
    const auto& sums = links_[of.first]->root().kind_pages();
    for (int i = 0; i + 2 < sums.size(); i += 3) {
      if (sums[i] != kind || sums[i + 1] == 0) continue;
      bytes[kind] +=
          static_cast<uint64_t>(static_cast<unsigned __int128>(sums[i + 2]) * many / sums[i + 1]);
    }
  }
  for (size_t kind = 0; kind < pages.size(); ++kind) {
    if (pages[kind] == 0) continue;
    root_.add_kind_pages(kind);
    root_.add_kind_pages(pages[kind]);
    root_.add_kind_pages(bytes[kind]);
  }
}

Bytes ImageChain::part_record(uint64_t i) const {
  v1::Record record;
  record.set_sequence(first_part_number_ + i);
  *record.mutable_index_part() = index_part_of(i, merged(i, nullptr));
  return encode_record(record);
}

Bytes ImageChain::root_record() const {
  v1::Record record;
  record.set_sequence(first_part_number_ + part_offsets_.size());
  *record.mutable_index_root() = root_;
  return encode_record(record);
}

RawRecord ImageChain::raw(uint64_t offset) const {
  if (offset == 0) return frame_record(magic_record(), 0, 0);
  if (offset == kMagicRecord) return frame_record(head_record_, 1, offset);
  if (offset == end_.index_root_offset())
    return frame_record(root_record(), end_.records() - 2, offset);
  const auto part = std::ranges::lower_bound(part_offsets_, offset);
  if (part != part_offsets_.end() && *part == offset) {
    const auto i = static_cast<uint64_t>(part - part_offsets_.begin());
    return frame_record(part_record(i), first_part_number_ + i, offset);
  }
  const Piece* piece = piece_at(offset);
  if (piece == nullptr)
    fail(Errc::bad_image, "{}: there is no record at byte {}", links_.back()->path(), offset);
  RawRecord record = links_[piece->link]->raw(piece->from + (offset - piece->at));
  record.offset = offset;
  record.sequence = piece->number + (record.sequence - piece->sequence);
  return record;
}

const std::string& ImageChain::path_of(uint64_t offset) const {
  const Piece* piece = piece_at(offset);
  return piece ? links_[piece->link]->path() : links_.back()->path();
}

// All records, one after the other, numbered anew.
class ChainStream final : public ByteSource {
 public:
  explicit ChainStream(std::shared_ptr<const ImageChain> chain) : chain_(std::move(chain)) {}

  size_t read(std::span<std::byte> into) override {
    size_t done = 0;
    while (done < into.size()) {
      if (at_ == record_.size()) {
        at_ = 0;
        if (!next()) {
          record_.clear();
          break;
        }
      }
      const size_t n = std::min(into.size() - done, record_.size() - at_);
      std::copy_n(record_.begin() + static_cast<ptrdiff_t>(at_), n,
                  into.begin() + static_cast<ptrdiff_t>(done));
      at_ += n;
      done += n;
    }
    return done;
  }

 private:
  bool next();
  Bytes from_link();
  Bytes end_record() const;

  std::shared_ptr<const ImageChain> chain_;
  Bytes record_;
  size_t at_ = 0;
  uint64_t number_ = 0;    // of the next record
  size_t piece_ = 0;       // that it is in
  uint64_t in_piece_ = 0;  // where
  DigestOfDigests digests_;
};

// Of a link, its digest checked, which then is another one.
Bytes ChainStream::from_link() {
  const Piece& piece = chain_->pieces_[piece_];
  const SingleImage& link = *chain_->links_[piece.link];
  RawRecord record = link.raw(piece.from + in_piece_);
  if (record.sequence != piece.sequence + (number_ - piece.number))
    fail(Errc::bad_image, "{}: {} is out of its place", link.path(), place_of(record));
  in_piece_ += record.bytes.size();
  if (in_piece_ >= piece.to - piece.from) {
    ++piece_;
    in_piece_ = 0;
  }
  renumber_record(record.bytes, number_);
  return std::move(record.bytes);
}

Bytes ChainStream::end_record() const {
  v1::Record record;
  record.set_sequence(number_);
  *record.mutable_end() = chain_->end_;
  const Digest digest = digests_.result();
  record.mutable_end()->set_digest_of_digests(digest.data(), digest.size());
  return encode_record(record);
}

// False behind the End.
bool ChainStream::next() {
  if (number_ == chain_->end_.records()) return false;
  if (number_ == 0)
    record_ = magic_record();
  else if (number_ == 1)
    record_ = chain_->head_record_;
  else if (number_ < chain_->first_part_number_)
    record_ = from_link();
  else if (number_ + 2 < chain_->end_.records())
    record_ = chain_->part_record(number_ - chain_->first_part_number_);
  else
    record_ = number_ + 1 < chain_->end_.records() ? chain_->root_record() : end_record();
  Digest digest;
  std::copy(record_.end() - kDigestBytes, record_.end(), digest.begin());
  digests_.add(digest);
  ++number_;
  return true;
}

std::unique_ptr<ByteSource> ImageChain::stream() const {
  return std::make_unique<ChainStream>(shared_from_this());
}

}  // namespace

std::shared_ptr<const ImageSource> open_image_chain(const std::vector<InputFile>& links) {
  return std::make_shared<const ImageChain>(links);
}

}  // namespace ferry
