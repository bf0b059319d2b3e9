// Images as a fuzzer can change them.
#include "tests/fuzz/framed_bodies.h"

#include <algorithm>

#include "proto/record_reader.h"
#include "proto/wire.h"

namespace ferry::fuzz {
namespace {

constexpr size_t kHeader = 3;

Bytes record_of(uint64_t sequence, unsigned kind, std::span<const std::byte> body) {
  Bytes record(kRecordPrefix);
  record[0] = std::byte{0x0a};
  record.push_back(std::byte{0x09});
  wire::put_fixed(record, sequence);
  wire::put_varint(record, kind << 3 | 2);
  // As it was written: the index of a sound image leads to its pages here too.
  if (kind == v1::Record::kPagesFieldNumber) {
    const size_t at = record.size();
    record.resize(at + wire::kPaddedLength);
    wire::put_padded(std::span(record).subspan(at), body.size());
  } else {
    wire::put_varint(record, body.size());
  }
  record.insert(record.end(), body.begin(), body.end());
  seal_record(record);
  return record;
}

Bytes body_of(const v1::Record& record) {
  const std::string bytes = record.end().SerializeAsString();
  const auto span = std::as_bytes(std::span(bytes));
  return {span.begin(), span.end()};
}

}  // namespace

Bytes image_of_bodies(std::span<const std::byte> input) {
  Bytes image = magic_record();
  DigestOfDigests digests;
  uint64_t sequence = 1, root = 0;
  const auto add = [&](const Bytes& record) {
    Digest digest;
    std::copy(record.end() - kDigestBytes, record.end(), digest.begin());
    digests.add(digest);
  };
  add(image);
  while (input.size() >= kHeader) {
    const unsigned kind = 2 + static_cast<unsigned>(input[0]) % 29;
    const size_t length = std::min(
        input.size() - kHeader, static_cast<size_t>(input[1]) | static_cast<size_t>(input[2]) << 8);
    const Bytes record = record_of(sequence++, kind, input.subspan(kHeader, length));
    if (kind == v1::Record::kIndexRootFieldNumber) root = image.size();
    add(record);
    image.insert(image.end(), record.begin(), record.end());
    input = input.subspan(kHeader + length);
  }
  v1::Record end;
  const Digest digest = digests.result();
  end.mutable_end()->set_index_root_offset(root);
  end.mutable_end()->set_records(sequence + 1);
  end.mutable_end()->set_bytes(image.size() + kEndRecord);
  end.mutable_end()->set_digest_of_digests(digest.data(), digest.size());
  const Bytes record = record_of(sequence, v1::Record::kEndFieldNumber, body_of(end));
  image.insert(image.end(), record.begin(), record.end());
  return image;
}

Bytes bodies_of_image(const Bytes& image) {
  MemorySource source(image);
  RecordReader reader(source);
  Bytes out;
  while (const std::optional<RawRecord> record = reader.next()) {
    if (record->kind == v1::Record::kMagicFieldNumber ||
        record->kind == v1::Record::kEndFieldNumber)
      continue;
    const auto body = record->body();
    out.push_back(static_cast<std::byte>(record->kind - 2));
    out.push_back(static_cast<std::byte>(body.size()));
    out.push_back(static_cast<std::byte>(body.size() >> 8));
    out.insert(out.end(), body.begin(), body.end());
  }
  return out;
}

}  // namespace ferry::fuzz
