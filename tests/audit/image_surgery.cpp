// Changing an image behind its digests.
#include "tests/audit/image_surgery.h"

#include <algorithm>

#include "proto/record_reader.h"

namespace ferry::test {

std::vector<Piece> take_apart(const Bytes& image) {
  MemorySource source(image);
  RecordReader reader(source);
  std::vector<Piece> pieces;
  while (std::optional<RawRecord> record = reader.next())
    pieces.push_back({record->kind, record->bytes, record->body_at, record->body_bytes});
  return pieces;
}

void edit(Piece& piece, const std::function<void(v1::Record&)>& change) {
  RawRecord raw;
  raw.bytes = piece.bytes;
  raw.body_at = piece.body_at;
  raw.body_bytes = piece.body_bytes;
  v1::Record record = parse_record(raw);
  record.clear_digest();
  change(record);
  piece.bytes = encode_record(record);
}

void reseal(Piece& piece) {
  const auto covered = std::span(piece.bytes).first(piece.bytes.size() - kDigestBytes);
  const Digest digest = digest_of(covered);
  std::copy(digest.begin(), digest.end(), piece.bytes.end() - kDigestBytes);
}

Bytes put_together(std::vector<Piece> pieces) {
  Bytes image;
  uint64_t root = 0;
  DigestOfDigests digests;
  for (size_t i = 0; i + 1 < pieces.size(); ++i) {
    const Bytes& bytes = pieces[i].bytes;
    if (pieces[i].kind == v1::Record::kIndexRootFieldNumber) root = image.size();
    Digest digest;
    std::copy(bytes.end() - kDigestBytes, bytes.end(), digest.begin());
    digests.add(digest);
    image.insert(image.end(), bytes.begin(), bytes.end());
  }
  edit(pieces.back(), [&](v1::Record& record) {
    v1::End& end = *record.mutable_end();
    const Digest digest = digests.result();
    end.set_index_root_offset(root);
    end.set_bytes(image.size() + kEndRecord);
    end.set_digest_of_digests(digest.data(), digest.size());
  });
  image.insert(image.end(), pieces.back().bytes.begin(), pieces.back().bytes.end());
  return image;
}

}  // namespace ferry::test
