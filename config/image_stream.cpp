// An image that comes as a stream.
#include "config/image_stream.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "error/error.h"
#include "proto/record_reader.h"

namespace ferry {
namespace {

// Magic, Head and Config are a small part of this.
constexpr size_t kMostBeforeConfig = 16 << 20;

// Bytes that were taken to see what comes, and then the rest.
class Again final : public ByteSource {
 public:
  explicit Again(ByteSource& source) : source_(source) {}

  std::span<const std::byte> look_at(size_t bytes) {
    seen_.resize(bytes);
    seen_.resize(source_.read(seen_));
    return seen_;
  }
  size_t read(std::span<std::byte> into) override {
    const size_t again = std::min(into.size(), seen_.size() - at_);
    std::copy_n(seen_.begin() + static_cast<ptrdiff_t>(at_), again, into.begin());
    at_ += again;
    return again + source_.read(into.subspan(again));
  }

 private:
  ByteSource& source_;
  Bytes seen_;
  size_t at_ = 0;
};

}  // namespace

struct ImageStream::State {
  explicit State(ByteSource& source) : input(source), reader(input) {}

  bool next();

  Again input;
  RecordReader reader;
  RawRecord record;  // the last one
  Bytes ready;       // to be read, from at
  size_t at = 0;
};

// Adds the next record to what is to be read. False if there is none.
bool ImageStream::State::next() {
  std::optional<RawRecord> came = reader.next();
  if (!came) return false;
  record = std::move(*came);
  check_digest(record);
  ready.insert(ready.end(), record.bytes.begin(), record.bytes.end());
  return true;
}

ImageStream::ImageStream(ByteSource& source) : state_(std::make_unique<State>(source)) {
}
ImageStream::~ImageStream() = default;

SavedConfig ImageStream::config() {
  SavedConfig config;
  if (looks_like_xl_file(state_->input.look_at(kXlMagicBytes))) {
    config.header = read_xl_header(state_->input);
    config.in_xl_file = true;
  }
  while (state_->ready.size() <= kMostBeforeConfig && state_->next()) {
    const RawRecord& record = state_->record;
    if (record.kind == v1::Record::kPages) break;
    if (record.kind == v1::Record::kHead) {
      const v1::Record parsed = parse_record(record);
      check_head(parsed.head());
      config.guest_pages = parsed.head().populated_pages();
      if (config.in_xl_file) return config;
    }
    if (record.kind != v1::Record::kConfigFieldNumber) continue;
    const v1::Record parsed = parse_record(record);
    if (parsed.config().libxl_json().empty()) continue;
    config.header = {parsed.config().xl_flags(), parsed.config().libxl_json()};
    config.mark = parsed.config().mark();
    config.paused = parsed.config().paused();
    return config;
  }
  fail(Errc::bad_image,
       "the image has no configuration before its pages, so that it cannot be restored while it "
       "comes in: write it to a file, and restore that");
}

size_t ImageStream::read(std::span<std::byte> into) {
  size_t done = 0;
  while (done < into.size()) {
    if (state_->at == state_->ready.size()) {
      state_->ready.clear();
      state_->at = 0;
      if (!state_->next()) break;
    }
    const size_t n = std::min(into.size() - done, state_->ready.size() - state_->at);
    std::copy_n(state_->ready.begin() + static_cast<ptrdiff_t>(state_->at), n,
                into.begin() + static_cast<ptrdiff_t>(done));
    state_->at += n;
    done += n;
  }
  return done;
}

}  // namespace ferry
