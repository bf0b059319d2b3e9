// Writes records in order, and at the end the index and End.
#include "proto/record_writer.h"

#include <optional>

#include "error/error.h"
#include "proto/index.h"
#include "proto/wire.h"

namespace ferry {
namespace {

constexpr size_t kSequenceAt = kRecordPrefix + 1;

}  // namespace

struct RecordWriter::State {
  State(ByteSink& to, uint64_t nr_pfns, Hashed hashed) : sink(to), index(nr_pfns) {
    if (hashed == Hashed::yes) hash.emplace();
  }

  // Writes a whole record; returns where it begins.
  uint64_t put(std::span<const std::byte> record);
  uint64_t put(v1::Record& record);
  uint64_t put_index();

  ByteSink& sink;
  IndexBuilder index;
  DigestOfDigests digests;
  std::optional<ImageHash> hash;
  Digest name_in_end{};
  uint64_t next = 0;     // sequence number to hand out
  uint64_t written = 0;  // records, and so the sequence number to write
  uint64_t bytes = 0;
  uint64_t last_other = 0;
  v1::IndexRoot root;
  bool finished = false;
};

uint64_t RecordWriter::State::put(std::span<const std::byte> record) {
  if (finished) fail(Errc::internal, "a record was written behind the image's End");
  const auto sequence = wire::get_fixed<uint64_t>(record.subspan(kSequenceAt, 8));
  if (sequence != written)
    fail(Errc::internal, "record {} was written where record {} belongs", sequence, written);
  Digest digest;
  std::copy(record.end() - kDigestBytes, record.end(), digest.begin());
  digests.add(digest);
  if (hash) hash->add(ImageHash::of_record(record));
  sink.write(record);
  const uint64_t offset = bytes;
  ++written;
  bytes += record.size();
  return offset;
}

uint64_t RecordWriter::State::put(v1::Record& record) {
  record.set_sequence(next++);
  return put(std::span<const std::byte>(encode_record(record)));
}

uint64_t RecordWriter::State::put_index() {
  uint64_t before = 0;
  for (uint64_t i = 0; i < index.parts(); ++i) {
    v1::Record record;
    *record.mutable_index_part() = index.part(i);
    const uint64_t offset = put(record);
    root.add_part_offsets(offset - before);
    before = offset;
  }
  index.summarise(root);
  v1::Record record;
  *record.mutable_index_root() = std::move(root);
  return put(record);
}

RecordWriter::RecordWriter(ByteSink& sink, uint64_t nr_pfns, Hashed hashed)
    : state_(std::make_unique<State>(sink, nr_pfns, hashed)) {
  state_->next = 1;
  state_->put(std::span<const std::byte>(magic_record()));
}

RecordWriter::~RecordWriter() = default;

uint64_t RecordWriter::next_sequence() {
  return state_->next++;
}

void RecordWriter::write(v1::Record record) {
  switch (record.body_case()) {
    case v1::Record::kMagic:
    case v1::Record::kPages:
    case v1::Record::kIndexPart:
    case v1::Record::kIndexRoot:
    case v1::Record::kEnd:
      fail(Errc::internal, "a record with body {} is not for others to write",
           static_cast<int>(record.body_case()));
    default:
      break;
  }
  const uint64_t offset = state_->put(record);
  state_->root.add_other_offsets(offset - state_->last_other);
  state_->last_other = offset;
}

void RecordWriter::write_pages(std::span<const std::byte> record, std::span<const PageRun> runs) {
  const uint64_t offset = state_->put(record);
  state_->index.add(offset, record.size(), runs);
}

void RecordWriter::finish() {
  State& state = *state_;
  const uint64_t root_offset = state.put_index();
  const Digest digest = state.digests.result();
  v1::Record record;
  v1::End& end = *record.mutable_end();
  end.set_index_root_offset(root_offset);
  end.set_records(state.written + 1);
  end.set_bytes(state.bytes + kEndRecord);
  end.set_digest_of_digests(digest.data(), digest.size());
  state.put(record);
  state.name_in_end = digest;
  state.finished = true;
}

uint64_t RecordWriter::bytes_written() const {
  return state_->bytes;
}

RecordWriter::Name RecordWriter::name() {
  if (!state_->finished || !state_->hash) fail(Errc::internal, "nobody has hashed this image");
  return {state_->hash->result(), state_->name_in_end, state_->bytes};
}

}  // namespace ferry
