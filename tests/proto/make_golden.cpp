// Writes the golden images of the present format version into a folder. It is run once for each
// version that is released; a file that exists is never written again.
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>

#include "error/error.h"
#include "proto/record_writer.h"
#include "proto/xl_wrapper.h"
#include "tests/proto/golden.h"

namespace ferry {
namespace {

Bytes golden_image() {
  namespace golden = test::golden;
  MemorySink sink;
  RecordWriter writer(sink, golden::kPfns);
  for (v1::Record& record : golden::first_records()) writer.write(record);
  PagesEncoder encoder(3);
  for (const test::Batch& batch : golden::batches())
    writer.write_pages(encoder.encode(writer.next_sequence(), batch.round, batch.runs, batch.pages),
                       batch.runs);
  for (v1::Record& record : golden::last_records()) writer.write(record);
  writer.finish();
  return sink.bytes();
}

void write_new(const std::string& path, const Bytes& bytes) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL, 0644);
  if (fd < 0) fail_errno(Errc::io, errno, fmt::format("cannot make {}", path));
  FdSink(fd, path).write(bytes);
  ::close(fd);
}

}  // namespace
}  // namespace ferry

int main(int argc, char** argv) {
  using namespace ferry;
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
    return 2;
  }
  try {
    const std::string folder = argv[1];
    const Bytes image = golden_image();
    write_new(folder + "/v1.0-bare.ferry", image);
    write_new(
        folder + "/v1.0-in-xl.xlsave",
        test::join({encode_xl_header({kXlFlagJson | kXlFlagStreamV2, test::golden::kXlConfig}),
                    image, encode_libxl_end()}));
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
