// The memory limit of image commands on hostile files of xl and streams of libxc.
#include <gtest/gtest.h>

#include "convert/export.h"
#include "convert/libxc_stream.h"
#include "pipeline/inline_executor.h"
#include "proto/wire.h"
#include "proto/xl_wrapper.h"
#include "tests/audit/audit_image.h"
#include "tests/audit/image_builder.h"
#include "tests/audit/memory_limit.h"

namespace ferry::test {
namespace {

using convert::Type;

void append(Bytes& to, const Bytes& more) {
  to.insert(to.end(), more.begin(), more.end());
}

Bytes numbers(std::initializer_list<uint32_t> values) {
  Bytes out;
  for (const uint32_t value : values) wire::put_fixed(out, value);
  return out;
}

// The stream of a whole guest, with these records before its END.
Bytes stream_with(const Bytes& records) {
  TestGuest guest;
  guest.head.set_p2m_root_pfn(TestGuest::kUserL4);
  MemoryFile file(build(guest));
  MemorySink sink;
  InlineExecutor executor;
  convert::export_stream(ImageFile::open(file.path()), sink, executor);
  Bytes stream = sink.bytes();
  const Bytes end = convert::encode_libxc_record(Type::end, {});
  stream.resize(stream.size() - end.size());
  append(stream, records);
  append(stream, end);
  return stream;
}

// A batch of pages of one type, from this pfn on.
Bytes batch(uint64_t first, uint32_t count, uint64_t type) {
  Bytes body = numbers({count, 0});
  for (uint64_t pfn = first; pfn < first + count; ++pfn) wire::put_fixed(body, type << 60 | pfn);
  if (convert::type_has_data(static_cast<unsigned>(type)))
    body.resize(body.size() + count * kPageSize, std::byte{0x67});
  return convert::encode_libxc_record(Type::page_data, body);
}

// A list of p2m leaves for a larger guest.
Bytes p2m_list(uint64_t pfns) {
  Bytes body = numbers({0, static_cast<uint32_t>(pfns - 1)});
  for (uint64_t leaf = 0; leaf < pfns / 512; ++leaf)
    wire::put_fixed(body, TestGuest::kLeaf0 + leaf % 2);
  return convert::encode_libxc_record(Type::p2m_frames, body);
}

TEST(StreamMemory, does_not_grow_with_the_number_of_batches) {
  expect_modest(600, [] {
    Bytes records;
    const Bytes one = batch(TestGuest::kAbsent, 1, convert::kAllocateOnly);
    records.reserve(2'000'000 * one.size());
    for (unsigned i = 0; i < 2'000'000; ++i) append(records, one);
    return stream_with(records);
  });
}

TEST(StreamMemory, does_not_grow_with_the_size_of_batches) {
  const uint64_t pfns = 32u << 10;
  for (const uint32_t pages : {convert::kMostPages, 30u << 10})
    expect_modest(pfns, [&] {
      Bytes records = p2m_list(pfns);
      for (uint64_t pfn = 1024; pfn + pages <= pfns; pfn += pages)
        append(records, batch(pfn, pages, v1::DATA));
      return stream_with(records);
    });
}

TEST(StreamMemory, does_not_grow_with_the_number_of_vcpus) {
  expect_modest(600, [] {
    Bytes records;
    Bytes body = numbers({0, 0});
    body.resize(60 << 10);
    for (uint32_t id = 0; id < 4000; ++id) {
      std::memcpy(body.data(), &id, sizeof id);
      append(records, convert::encode_libxc_record(Type::vcpu_xsave, body));
    }
    return stream_with(records);
  });
}

// Every other page is a hole: no two pages share a run in what is made of it.
TEST(StreamMemory, grows_by_32_bytes_a_pfn_at_most) {
  const uint64_t pfns = uint64_t{8} << 20;
  expect_modest(pfns, [] {
    Bytes records = p2m_list(pfns);
    for (uint64_t first = 4096; first < pfns; first += convert::kMostPages) {
      Bytes body = numbers({convert::kMostPages, 0});
      for (uint64_t pfn = first; pfn < first + convert::kMostPages; ++pfn)
        wire::put_fixed(
            body, uint64_t{pfn % 2 == 0 ? convert::kAllocateOnly : convert::kNoFrame} << 60 | pfn);
      append(records, convert::encode_libxc_record(Type::page_data, body));
    }
    return stream_with(records);
  });
}

TEST(StreamMemory, does_not_grow_with_the_configuration_of_xl) {
  for (const bool ferrys : {false, true})
    expect_modest(600, [&] {
      Bytes file = encode_xl_header({.mandatory_flags = kXlFlagJson | kXlFlagStreamV2,
                                     .config = std::string((4u << 20) - 100, ' ')});
      append(file, ferrys ? build(TestGuest()) : stream_with({}));
      append(file, encode_libxl_end());
      return file;
    });
}

}  // namespace
}  // namespace ferry::test
