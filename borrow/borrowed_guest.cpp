// A running guest as an image. Offsets are numbers that an image could have as well:
//
//   1 + i                   record i
//   kPagesAt + batch        the Pages record of kPfnsPerBatch pfns
//   kEndAt                  where the index's root would be
#include "borrow/borrowed_guest.h"

#include <algorithm>
#include <utility>

#include "proto/image_source.h"
#include "proto/pages.h"
#include "proto/record.h"
#include "proto/record_reader.h"

namespace ferry::borrow {
namespace {

constexpr uint64_t kMostRecords = 1u << 16;  // 8192 vCPUs, and a few
constexpr uint64_t kPagesAt = 1u << 20;
constexpr uint64_t kEndAt = kPagesAt + kMaxPfns / kPfnsPerBatch + 1;

class BorrowedGuest final : public ImageSource {
 public:
  explicit BorrowedGuest(std::shared_ptr<Lender> lender);

  const ImagePlace& place() const override { return place_; }
  const v1::Head& head() const override { return head_; }
  const v1::IndexRoot& root() const override { return root_; }
  const v1::End& end() const override { return end_; }
  std::unique_ptr<ByteSource> stream() const override {
    fail(Errc::unsupported, "{} is a running guest, which is no row of records", lender_->what());
  }
  RawRecord raw(uint64_t offset) const override;
  std::vector<IndexRun> part(uint64_t i) const override;
  const std::string& path_of(uint64_t) const override { return lender_->what(); }

 private:
  [[noreturn]] void senseless(const char* what) const {
    fail(Errc::bad_image, "{}: {} makes no sense", lender_->what(), what);
  }

  std::shared_ptr<Lender> lender_;
  uint64_t records_ = 0;
  ImagePlace place_;
  v1::Head head_;
  v1::IndexRoot root_;
  v1::End end_;
};

BorrowedGuest::BorrowedGuest(std::shared_ptr<Lender> lender) : lender_(std::move(lender)) {
  const Bytes answer = lender_->ask({What::look});
  std::span<const std::byte> rest(answer);
  records_ = take_number(rest);
  if (records_ == 0 || records_ > kMostRecords) senseless("how many records there are");
  end_.set_index_root_offset(kEndAt);
  for (uint64_t i = 0; i < records_; ++i) root_.add_other_offsets(1);
  const RawRecord first = raw(1);
  if (first.kind != v1::Record::kHeadFieldNumber) senseless("what is known of the guest first");
  head_ = parse_record(first).head();
  check_head(head_);
}

RawRecord BorrowedGuest::raw(uint64_t offset) const {
  const bool pages = offset >= kPagesAt;
  const Question question{pages ? What::pages : What::record, offset - (pages ? kPagesAt : 1)};
  if (offset == 0 || offset >= kEndAt || (!pages && question.number >= records_))
    senseless("a place in it");
  Bytes bytes = lender_->ask(question);
  RawRecord record = frame_record(std::move(bytes), question.number, offset);
  check_digest(record);
  return record;
}

// The other side's word is bounded as an index in a file would be.
std::vector<IndexRun> BorrowedGuest::part(uint64_t i) const {
  const uint64_t begin = i * kPfnsPerIndexPart,
                 end = std::min(begin + kPfnsPerIndexPart, head_.nr_pfns());
  const Bytes answer = lender_->ask({What::kinds, i});
  std::span<const std::byte> rest(answer);
  std::vector<IndexRun> runs;
  uint64_t next = begin;
  while (!rest.empty()) {
    IndexRun run{.first = take_number(rest), .count = take_number(rest)};
    const uint64_t kind = take_number(rest);
    if (run.first < next || run.first >= end || run.count == 0 || run.count > end - run.first ||
        !v1::PageKind_IsValid(static_cast<int>(kind)) || kind > UINT8_MAX)
      senseless("which pages it has");
    run.kind = static_cast<v1::PageKind>(kind);
    next = run.first + run.count;
    // As many as one record has, each.
    for (uint64_t pfn = run.first; pfn < next;) {
      const uint64_t batch = pfn / kPfnsPerBatch;
      const uint64_t stop = has_data(run.kind) ? std::min(next, (batch + 1) * kPfnsPerBatch) : next;
      runs.push_back(
          {pfn, stop - pfn, run.kind, has_data(run.kind) ? kPagesAt + batch : uint64_t{0}});
      pfn = stop;
    }
  }
  return runs;
}

}  // namespace

Lender::Lender(int from, int to, std::string what)
    : source_(from, what), sink_(to, what), what_(std::move(what)) {
}

Bytes Lender::ask(const Question& question) {
  std::lock_guard lock(mutex_);
  send_question(sink_, question);
  return take_answer(source_);
}

Seen Lender::seen() {
  const Bytes answer = ask({What::seen});
  std::span<const std::byte> rest(answer);
  Seen seen;
  seen.one_moment = take_number(rest) != 0;
  seen.lost_pages = take_number(rest);
  seen.lost_entries = take_number(rest);
  return seen;
}

ImageFile open_borrowed(std::shared_ptr<Lender> lender) {
  return ImageFile::of(std::make_shared<BorrowedGuest>(std::move(lender)));
}

}  // namespace ferry::borrow
