// Writes the golden delta of the present format version. It is run once; a file that exists is
// never written again.
//
// usage: make_golden_delta FOLDER
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "error/error.h"
#include "proto/record_writer.h"
#include "tests/delta/golden_delta.h"

namespace ferry {
namespace {

std::string from_hex(std::string_view hex) {
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  return bytes;
}

Bytes golden_delta() {
  namespace golden = test::golden;
  MemorySink sink;
  RecordWriter writer(sink, golden::kPfns);
  for (v1::Record& record : golden::first_records()) {
    if (record.has_head()) {
      v1::Head& head = *record.mutable_head();
      head.add_required_features("delta");
      head.mutable_base()->set_sha256(from_hex(golden::kBaseSha256));
      head.mutable_base()->set_digest_of_digests(from_hex(golden::kBaseDigest));
      head.mutable_base()->set_bytes(golden::kBaseBytes);
    }
    writer.write(record);
  }
  const test::Batch batch = golden::delta_batch();
  writer.write_pages(
      PagesEncoder(3).encode(writer.next_sequence(), batch.round, batch.runs, batch.pages),
      batch.runs);
  for (v1::Record& record : golden::last_records()) writer.write(record);
  writer.finish();
  return sink.bytes();
}

}  // namespace
}  // namespace ferry

int main(int argc, char** argv) {
  using namespace ferry;
  if (argc != 2) return 2;
  try {
    const std::string path = std::string(argv[1]) + "/v1.0-delta.ferry";
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL, 0644);
    if (fd < 0) fail_errno(Errc::io, errno, "cannot make " + path);
    FdSink(fd, path).write(golden_delta());
    ::close(fd);
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
