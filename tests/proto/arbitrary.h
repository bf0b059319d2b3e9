// Generators of arbitrary records and batches of pages for rapidcheck.
#pragma once

#include <google/protobuf/message.h>
#include <rapidcheck.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/proto/sample_image.h"

namespace ferry::test {

inline constexpr int kPageKinds[] = {0, 1, 2, 3, 4, 9, 10, 11, 12, 15, 16, 17};

inline v1::PageKind arbitrary_kind() {
  return static_cast<v1::PageKind>(
      *rc::gen::elementOf(std::vector<int>(std::begin(kPageKinds), std::end(kPageKinds))));
}

inline uint64_t arbitrary_number() {
  return *rc::gen::oneOf(rc::gen::just<uint64_t>(0), rc::gen::just<uint64_t>(UINT64_MAX),
                         rc::gen::inRange<uint64_t>(0, 300), rc::gen::arbitrary<uint64_t>());
}

// Any value in any field of any message of the schema (strings are ASCII).
inline void fill(google::protobuf::Message& message) {
  using Field = google::protobuf::FieldDescriptor;
  const auto* reflection = message.GetReflection();
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const Field* field = message.GetDescriptor()->field(i);
    const int times = field->is_repeated() ? *rc::gen::inRange(0, 6) : *rc::gen::inRange(0, 2);
    for (int n = 0; n < times; ++n) {
      const uint64_t number = arbitrary_number();
      const auto small = static_cast<uint32_t>(number);
      const auto text = [&] {
        const bool ascii = field->type() == Field::TYPE_STRING;
        auto bytes = *rc::gen::arbitrary<std::string>();
        if (ascii)
          std::ranges::transform(bytes, bytes.begin(),
                                 [](char c) { return static_cast<char>(c & 0x7f); });
        return bytes;
      };
      const bool add = field->is_repeated();
      switch (field->cpp_type()) {
        case Field::CPPTYPE_UINT32:
          add ? reflection->AddUInt32(&message, field, small)
              : reflection->SetUInt32(&message, field, small);
          break;
        case Field::CPPTYPE_UINT64:
          add ? reflection->AddUInt64(&message, field, number)
              : reflection->SetUInt64(&message, field, number);
          break;
        case Field::CPPTYPE_BOOL:
          reflection->SetBool(&message, field, true);
          break;
        case Field::CPPTYPE_ENUM:
          reflection->SetEnumValue(&message, field, 1);
          break;
        case Field::CPPTYPE_STRING:
          add ? reflection->AddString(&message, field, text())
              : reflection->SetString(&message, field, text());
          break;
        case Field::CPPTYPE_MESSAGE:
          fill(add ? *reflection->AddMessage(&message, field)
                   : *reflection->MutableMessage(&message, field));
          break;
        default:
          RC_FAIL("the schema has a type of field that this test does not know");
      }
    }
  }
}

// A record with this body, by field number, or any.
inline v1::Record arbitrary_record(int body_field) {
  v1::Record record;
  record.set_sequence(arbitrary_number());
  const auto* field = v1::Record::descriptor()->FindFieldByNumber(body_field);
  fill(*v1::Record::GetReflection()->MutableMessage(&record, field));
  return record;
}

// Up to a few pages with and without data below nr_pfns, in runs.
inline Batch arbitrary_batch(uint64_t nr_pfns) {
  Batch batch;
  batch.round = *rc::gen::arbitrary<uint32_t>();
  const auto runs = *rc::gen::inRange<size_t>(0, 12);
  uint64_t pfn = 0;
  for (size_t i = 0; i < runs; ++i) {
    pfn += *rc::gen::weightedOneOf<uint64_t>({{3, rc::gen::just<uint64_t>(0)},
                                              {2, rc::gen::inRange<uint64_t>(0, 200)},
                                              {1, rc::gen::inRange<uint64_t>(0, nr_pfns)}});
    const v1::PageKind kind = arbitrary_kind();
    const auto count = *rc::gen::inRange<uint64_t>(1, has_data(kind) ? 4 : 1000);
    if (pfn + count > nr_pfns) break;
    const auto seed = *rc::gen::inRange<uint64_t>(0, 50);
    const bool compressible = *rc::gen::weightedElement<bool>({{3, true}, {1, false}});
    for (uint64_t n = 0; n < count; ++n, ++pfn) batch.add(pfn, kind, seed + n, compressible);
  }
  return batch;
}

}  // namespace ferry::test
