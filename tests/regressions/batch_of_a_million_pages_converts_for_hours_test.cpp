// Each page of a batch was compared with all that follow it there, and a libxc stream may have had
// a million in one batch: converting a file of 8 MiB did not end.
#include <gtest/gtest.h>

#include "convert/import.h"
#include "error/error.h"
#include "pipeline/inline_executor.h"
#include "proto/wire.h"
#include "tests/audit/audit_image.h"

namespace ferry::test {
namespace {

using convert::Type;

Bytes batch_of(uint32_t pages) {
  Bytes body;
  wire::put_fixed(body, uint64_t{pages});
  for (uint64_t pfn = 0; pfn < pages; ++pfn)
    wire::put_fixed(body, uint64_t{convert::kAllocateOnly} << 60 | pfn);
  return convert::encode_libxc_record(Type::page_data, body);
}

// Nothing but pages, for a guest of so many.
Bytes stream_of(uint32_t pages) {
  Bytes width, p2m;
  wire::put_fixed(width, uint64_t{0x0408});
  wire::put_fixed(p2m, uint64_t{pages - 1} << 32);
  p2m.resize(p2m.size() + pages / 512 * sizeof(uint64_t));
  Bytes stream = convert::encode_libxc_headers(4, 17);
  for (const Bytes& part : {convert::encode_libxc_record(Type::pv_info, width),
                            convert::encode_libxc_record(Type::p2m_frames, p2m), batch_of(pages),
                            convert::encode_libxc_record(Type::end, {})})
    stream.insert(stream.end(), part.begin(), part.end());
  return stream;
}

std::string refusal_of(const Bytes& stream) {
  MemoryFile memory(stream);
  const InputFile file(memory.path());
  MemorySink sink;
  InlineExecutor executor;
  try {
    convert::import_stream(file, {}, {}, sink, executor);
  } catch (const Error& error) {
    return error.what();
  }
  return "none";
}

TEST(BatchOfAMillionPagesConvertsForHours, is_refused) {
  EXPECT_NE(refusal_of(stream_of(1u << 20)).find("has 1048576 pages"), std::string::npos);
  EXPECT_NE(refusal_of(stream_of(convert::kMostPages)).find("lacks"), std::string::npos);
}

}  // namespace
}  // namespace ferry::test
