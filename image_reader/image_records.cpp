// An image, read from front to back, as records in plain form.
#include "image_reader/image_records.h"

#include <memory>
#include <utility>
#include <vector>

#include "error/error.h"
#include "image_reader/plain_records.h"
#include "pipeline/pool.h"
#include "proto/pages.h"
#include "proto/record_reader.h"

namespace ferry {
namespace {

class Reading {
 public:
  Reading(ByteSource& source, const PageRing* ring, GuestRecords& into)
      : reader_(source), ring_(ring), into_(into) {}

  void read_head();
  std::unique_ptr<Job> next();

 private:
  friend class RecordJob;

  RecordReader reader_;
  const PageRing* ring_;
  GuestRecords& into_;
  uint64_t nr_pfns_ = 0;
  uint64_t turns_ = 0;  // of the ring, taken so far
  Pool<PagesDecoder> decoders_;
};

// One record: its digest and decompression anywhere, its effect in order.
class RecordJob final : public Job {
 public:
  // place: for its pages; none: in memory of ours.
  RecordJob(Reading& reading, RawRecord raw, std::span<std::byte> place)
      : reading_(reading), raw_(std::move(raw)), place_(place) {}

  void work() override {
    check_digest(raw_);
    if (raw_.kind != v1::Record::kPages) return;
    const PagesView view = decode_pages(raw_, reading_.nr_pfns_);
    runs_ = plain_runs(view.runs);
    decoder_ = reading_.decoders_.take();
    if (place_.empty()) {
      pages_ = decoder_->decompress(raw_, view);
      return;
    }
    decoder_->decompress_into(place_, raw_, view);
    pages_ = place_;
    reading_.decoders_.give_back(std::move(decoder_));
  }

  void consume() override {
    if (raw_.kind != v1::Record::kPages) {
      hand_on(parse_record(raw_), reading_.into_);
      return;
    }
    reading_.into_.pages(runs_, pages_);
    if (decoder_) reading_.decoders_.give_back(std::move(decoder_));
    reading_.reader_.reuse(std::move(raw_.bytes));
  }

 private:
  Reading& reading_;
  RawRecord raw_;
  std::span<std::byte> place_;
  std::vector<KindRun> runs_;
  std::unique_ptr<PagesDecoder> decoder_;
  std::span<const std::byte> pages_;
};

// Magic and Head come first, and all the rest depends on them.
void Reading::read_head() {
  while (auto record = reader_.next()) {
    check_digest(*record);
    if (record->kind == v1::Record::kMagic) continue;
    if (record->kind != v1::Record::kHead) break;
    const v1::Record parsed = parse_record(*record);
    check_head(parsed.head());
    nr_pfns_ = parsed.head().nr_pfns();
    into_.head(plain_head(parsed.head()));
    return;
  }
  fail(Errc::bad_image, "the image is bad: it does not begin with its head");
}

// In the order of the image, so that whoever has waited longest for its place gets the next one.
std::unique_ptr<Job> Reading::next() {
  auto record = reader_.next();
  if (!record) return nullptr;
  std::span<std::byte> place;
  if (ring_ != nullptr && record->kind == v1::Record::kPages) {
    ring_->take_turn();
    place = ring_->place(turns_++);
  }
  return std::make_unique<RecordJob>(*this, std::move(*record), place);
}

}  // namespace

void ImageRecords::read(GuestRecords& into) {
  Reading reading(source_, ring_, into);
  reading.read_head();
  executor_.run([&] { return reading.next(); });
}

}  // namespace ferry
