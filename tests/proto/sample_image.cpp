// Small images for the tests of the format.
#include "tests/proto/sample_image.h"

#include <stdlib.h>
#include <unistd.h>

#include <random>
#include <stdexcept>

#include "proto/record_reader.h"
#include "proto/record_writer.h"
#include "proto/wire.h"

namespace ferry::test {

TempFile::TempFile() : path_(std::string(getenv("TMPDIR") ?: "/tmp") + "/ferry-test-XXXXXX") {
  fd_ = ::mkstemp(path_.data());
  if (fd_ < 0) throw std::runtime_error("cannot make " + path_);
}

TempFile::TempFile(std::span<const std::byte> content) : TempFile() {
  set(content);
}

TempFile::~TempFile() {
  ::close(fd_);
  ::unlink(path_.c_str());
}

void TempFile::set(std::span<const std::byte> content) {
  if (::ftruncate(fd_, 0) != 0 || ::lseek(fd_, 0, SEEK_SET) != 0)
    throw std::runtime_error("cannot empty " + path_);
  FdSink(fd_, path_).write(content);
}

Bytes page_bytes(uint64_t seed, bool compressible) {
  Bytes page(kPageSize);
  std::mt19937_64 random(seed);
  for (size_t i = 0; i < page.size(); ++i)
    page[i] = std::byte(compressible ? (i / 64 + seed) & 0x3f : random());
  return page;
}

v1::Head sample_head(uint64_t nr_pfns) {
  v1::Head head;
  head.set_guest_width(8);
  head.set_pt_levels(4);
  head.set_nr_pfns(nr_pfns);
  head.set_populated_pages(nr_pfns);
  head.set_max_vcpu_id(1);
  head.add_online_vcpus(0);
  head.add_online_vcpus(1);
  head.set_linear_p2m(true);
  head.set_p2m_vaddr(0xffffc90000000000);
  head.set_p2m_root_pfn(7);
  head.set_xen_major(4);
  head.set_xen_minor(17);
  return head;
}

void Batch::add(uint64_t pfn, v1::PageKind kind, uint64_t seed, bool compressible) {
  append_page(runs, pfn_t(pfn), kind);
  if (!has_data(kind)) return;
  const Bytes page = page_bytes(seed, compressible);
  pages.insert(pages.end(), page.begin(), page.end());
}

std::vector<Batch> sample_batches() {
  std::vector<Batch> batches(3);
  for (const int kind : {0, 1, 2, 3, 4, 9, 10, 11, 12, 15, 16, 17}) {
    const auto at = 2 + static_cast<uint64_t>(kind);
    batches[0].add(at, static_cast<v1::PageKind>(kind), at);
  }
  batches[1].add(30, v1::DATA, 1, false);  // stays raw
  batches[1].add(31, v1::DATA, 2, false);
  batches[1].add(40, v1::ZERO);
  batches[2].round = 1;
  batches[2].add(2, v1::ZERO);       // was data
  batches[2].add(17, v1::DATA, 99);  // was absent
  batches[2].add(31, v1::L1, 100);   // was data
  batches[2].add(63, v1::ABSENT);
  return batches;
}

namespace {

void write_static_records(RecordWriter& writer) {
  v1::Record record;
  *record.mutable_head() = sample_head(kSamplePfns);
  record.mutable_head()->set_live(true);
  writer.write(record);
  record.mutable_cpu_policy()->set_cpuid_leaves(std::string(24, 'c'));
  record.mutable_cpu_policy()->set_msrs(std::string(16, 'm'));
  writer.write(record);
  record.mutable_config()->set_libxl_json("{}");
  record.mutable_config()->set_name("guest\xff");  // not UTF-8, and still readable
  record.mutable_config()->set_uuid(std::string(16, 'u'));
  writer.write(record);
  record.mutable_populated()->add_runs(0);
  record.mutable_populated()->add_runs(63);
  writer.write(record);
  record.mutable_p2m_frames()->add_leaf_pfns(19);
  writer.write(record);
}

void write_last_records(RecordWriter& writer) {
  v1::Record record;
  record.mutable_tsc()->set_khz(2'000'000);
  writer.write(record);
  record.mutable_shared_info()->set_page(std::string(kPageSize, 's'));
  writer.write(record);
  for (uint32_t id = 0; id < 2; ++id) {
    record.mutable_vcpu()->set_id(id);
    record.mutable_vcpu()->set_basic(std::string(64, 'v'));
    writer.write(record);
  }
  record.mutable_timeline()->set_host("somewhere");
  writer.write(record);
}

}  // namespace

Bytes sample_image(int level) {
  MemorySink sink;
  RecordWriter writer(sink, kSamplePfns);
  write_static_records(writer);
  PagesEncoder encoder(level);
  for (const Batch& batch : sample_batches())
    writer.write_pages(encoder.encode(writer.next_sequence(), batch.round, batch.runs, batch.pages),
                       batch.runs);
  write_last_records(writer);
  writer.finish();
  return sink.bytes();
}

std::vector<RawRecord> read_records(std::span<const std::byte> image) {
  MemorySource source(image);
  RecordReader reader(source);
  std::vector<RawRecord> records;
  while (auto record = reader.next()) records.push_back(std::move(*record));
  return records;
}

void read_stream(ByteSource& source) {
  uint64_t nr_pfns = 0;
  RecordReader reader(source);
  while (const auto record = reader.next()) {
    check_digest(*record);
    if (record->kind == v1::Record::kPages) {
      decode_pages(*record, nr_pfns);
      continue;
    }
    const v1::Record parsed = parse_record(*record);
    if (!parsed.has_head()) continue;
    check_head(parsed.head());
    nr_pfns = parsed.head().nr_pfns();
  }
}

void read_stream(std::span<const std::byte> image) {
  MemorySource source(image);
  read_stream(source);
}

Bytes record_with_body(unsigned field, std::span<const std::byte> body, uint64_t sequence) {
  Bytes record(kRecordPrefix);
  record[0] = std::byte{0x0a};
  wire::put_tag(record, v1::Record::kSequenceFieldNumber, wire::kFixed64);
  wire::put_fixed(record, sequence);
  wire::put_tag(record, field, wire::kLength);
  wire::put_varint(record, body.size());
  record.insert(record.end(), body.begin(), body.end());
  seal_record(record);
  return record;
}

Bytes join(const std::vector<Bytes>& records) {
  Bytes image;
  for (const Bytes& record : records) image.insert(image.end(), record.begin(), record.end());
  return image;
}

}  // namespace ferry::test
