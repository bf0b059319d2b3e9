// Targets over images.
//
//   image    | kind 1 | length 2 | body | …        each becomes a record with right digest
//   tables   | what 1 | pfn or vCPU 1 | index 2 | value 8 | …     edits of a TestGuest
#include <algorithm>
#include <cstring>

#include "audit/walk.h"
#include "convert/export.h"
#include "error/error.h"
#include "html/report.h"
#include "proto/record_reader.h"
#include "proto/wire.h"
#include "tests/audit/audit_image.h"
#include "tests/audit/image_builder.h"
#include "tests/fuzz/core_of.h"
#include "tests/fuzz/framed_bodies.h"
#include "tests/fuzz/targets.h"

namespace ferry::fuzz {
namespace {

class NoSink final : public ByteSink {
 public:
  void write(std::span<const std::byte>) override {}
};

void look_at_bytes(const Bytes& bytes) {
  const test::MemoryFile file(bytes);
  look_at(ImageFile::open(file.path()));
}

template <typename Body>
void refusing(Body body) {
  try {
    body();
  } catch (const Error&) {
    // In a sentence: that is how hostile input should end.
  }
}

void edit(test::TestGuest& guest, std::span<const std::byte, 12> words) {
  const auto what = static_cast<unsigned>(words[0]);
  const auto which = static_cast<unsigned>(words[1]);
  const auto index = static_cast<unsigned>(words[2]) | static_cast<unsigned>(words[3]) << 8;
  uint64_t value;
  std::memcpy(&value, words.data() + 4, sizeof value);
  const uint64_t pfn = which % 32;
  const auto page = guest.pages.find(pfn);
  switch (what % 6) {
    case 0:
    case 1:
      if (page != guest.pages.end()) page->second.words[index % 512] = value;
      break;
    case 2:  // an entry that names a page of the guest
      if (page != guest.pages.end())
        page->second.words[index % 512] = (value % 32) << 12 | ((value >> 8) & 0xfff) | 1;
      break;
    case 3:
      if (page != guest.pages.end()) {
        constexpr v1::PageKind kKinds[] = {
            v1::DATA,      v1::L1,        v1::L2,        v1::L3,   v1::L4,      v1::L1_PINNED,
            v1::L2_PINNED, v1::L3_PINNED, v1::L4_PINNED, v1::ZERO, v1::P2M_LEAF};
        page->second.kind = kKinds[value % std::size(kKinds)];
      }
      break;
    case 4:
      guest.vcpu[which % guest.vcpu.size()].set(index % 646 * 8, value);
      break;
    default: {
      v1::Vcpu& vcpu = guest.vcpu[which % guest.vcpu.size()].record;
      std::string& part = index % 3 == 0   ? *vcpu.mutable_xsave()
                          : index % 3 == 1 ? *vcpu.mutable_extended()
                                           : *vcpu.mutable_msrs();
      if (!part.empty()) part[index % part.size()] = static_cast<char>(value);
      if (value >> 56 == 0xff) part.resize(index % 1024);
    }
  }
}

}  // namespace

void look_at(const ImageFile& image) {
  InlineExecutor executor;
  html::Report report{.summary = audit::summarise(image),
                      .audit = audit::run(image, {.keep = 5}, executor)};
  report.census = audit::take_census(image, executor);
  report.memory = report.census->memory;
  if (report.summary.config)
    report.config.emplace_back("all of it", report.summary.config->libxl_json());
  // What an image says is never markup.
  if (html::page(report).find("<script") != std::string::npos) __builtin_trap();
  const audit::PageMap map = audit::PageMap::load(image);
  audit::PageReader reader(image, map);
  audit::Walker(reader, map).walk(image.head().p2m_root_pfn(), image.head().p2m_vaddr());
  NoSink sink;
  convert::export_stream(image, sink, executor);
  core_of(image);
}

void records(Input input) {
  refusing([&] {
    MemorySource source(input);
    RecordReader reader(source);
    PagesDecoder decoder;
    while (const std::optional<RawRecord> record = reader.next()) {
      check_digest(*record);
      if (record->kind == v1::Record::kPagesFieldNumber)
        decoder.decompress(*record, decode_pages(*record, kMaxPfns));
      else if (record->kind <= v1::Record::kEndFieldNumber)
        parse_record(*record);
    }
  });
  refusing([&] { look_at_bytes(Bytes(input.begin(), input.end())); });
}

void image(Input input) {
  refusing([&] { look_at_bytes(image_of_bodies(input)); });
}

void tables(Input input) {
  test::TestGuest guest;
  guest.level = 0;
  guest.pages_per_record = 64;
  for (; input.size() >= 12; input = input.subspan(12)) edit(guest, input.first<12>());
  refusing([&] {
    const Bytes bytes = test::build(guest);
    const test::MemoryFile file(bytes);
    InlineExecutor executor;
    const audit::Result result = audit::run(ImageFile::open(file.path()), {.keep = 5}, executor);
    // What the audit calls clean it must believe to be restored.
    if (result.clean() && result.prediction && result.prediction->refusal) __builtin_trap();
  });
}

}  // namespace ferry::fuzz
