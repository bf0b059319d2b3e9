// Images whose records or index break a rule.
#include <utility>

#include "tests/audit/broken_image.h"

namespace ferry::test {
namespace {

using G = TestGuest;

// Without the record of this kind.
Bytes without(v1::Record::BodyCase kind) {
  return changed([&](G& guest) {
    guest.filter = [kind](v1::Record& record) { return record.body_case() != kind; };
  });
}

// A body whose digest is right and that is no message.
Bytes undecodable_body() {
  std::vector<Piece> pieces = take_apart(build(TestGuest()));
  Piece& piece = find_piece(pieces, v1::Record::kTscFieldNumber);
  piece.bytes[piece.body_at] = std::byte{0x0f};  // no such wire type
  reseal(piece);
  return put_together(pieces);
}

// A second Magic instead of a Tsc record: the reader does not take it.
Bytes wrong_order() {
  return edited(v1::Record::kTscFieldNumber,
                [](v1::Record& record) { record.mutable_magic()->set_major(1); });
}

// The index points one byte beside the second batch, which has data pages only.
Bytes index_beside_record() {
  return edited(v1::Record::kIndexPartFieldNumber, [](v1::Record& record) {
    auto& offsets = *record.mutable_index_part()->mutable_record_offsets();
    offsets[1] = offsets[1] - 1;
    offsets[2] = offsets[2] + 1;
  });
}

// The CPU policy at the end.
Bytes late_policy() {
  return changed([](G& guest) {
    *guest.extra.emplace_back().mutable_cpu_policy() = guest.cpu_policy;
    auto first = std::make_shared<bool>(true);
    guest.filter = [first](v1::Record& record) {
      return !record.has_cpu_policy() || !std::exchange(*first, false);
    };
  });
}

// One word of the CPUID leaf number n.
Bytes changed_leaf(size_t n, size_t word, uint32_t value) {
  return changed([&](G& guest) {
    put(*guest.cpu_policy.mutable_cpuid_leaves(), n * 24 + word * 4, value, 4);
  });
}

std::vector<BrokenImage> record_cases() {
  return {
      {"format.framing", "order", wrong_order},
      {"digest.mismatch", "tsc", damaged_digest},
      {"format.body", "tsc", undecodable_body},
      {"format.pages", "zstd", undecodable_pages},
      {"record.missing", "tsc", [] { return without(v1::Record::kTsc); }},
      {"record.missing", "shared_info", [] { return without(v1::Record::kSharedInfo); }},
      {"record.missing", "populated", [] { return without(v1::Record::kPopulated); }},
      {"record.missing", "p2m_frames", [] { return without(v1::Record::kP2MFrames); }},
      {"record.no-cpu-policy", "gone", [] { return without(v1::Record::kCpuPolicy); }},
      {"config.trust", "device_model",
       [] {
         return changed([](G& guest) {
           guest.config.emplace().set_libxl_json(
               R"({"c_info": {}, "b_info": {"device_model": "/tmp/qemu"}})");
         });
       }},
      {"config.trust", "twice",
       [] {
         return changed([](G& guest) {
           guest.config.emplace().set_libxl_json(R"({"c_info": {"name": "a", "name": "b"}})");
         });
       }},
      {"record.order", "policy", late_policy},
      {"tsc.mode", "three", [] { return changed([](G& guest) { guest.tsc.set_mode(3); }); }},
      {"cpu-policy.leaf", "unknown", [] { return changed_leaf(4, 0, 0x5000); }},
      {"cpu-policy.leaf", "subleaf", [] { return changed_leaf(3, 1, 63); }},
      {"cpu-policy.leaf", "no_subleaf", [] { return changed_leaf(0, 1, 0); }},
      {"cpu-policy.leaf", "announced", [] { return changed_leaf(0, 2, 0xe); }},
      {"cpu-policy.msr", "index",
       [] { return changed([](G& guest) { put(*guest.cpu_policy.mutable_msrs(), 0, 0x1b); }); }},
      {"cpu-policy.msr", "flags",
       [] { return changed([](G& guest) { put(*guest.cpu_policy.mutable_msrs(), 4, 1, 4); }); }},
      {"cpu-policy.msr", "value",
       [] { return changed([](G& guest) { put(*guest.cpu_policy.mutable_msrs(), 8, 1); }); }},
      {"record.repeated", "tsc",
       [] {
         return changed([](G& guest) { *guest.extra.emplace_back().mutable_tsc() = guest.tsc; });
       }},
      {"record.repeated", "shared_info",
       [] {
         return changed([](G& guest) {
           *guest.extra.emplace_back().mutable_shared_info() = guest.shared_info;
         });
       }},
      {"cpu-policy.size", "leaf",
       [] {
         return changed([](G& guest) { guest.cpu_policy.mutable_cpuid_leaves()->append("x"); });
       }},
      {"cpu-policy.size", "msr",
       [] { return changed([](G& guest) { guest.cpu_policy.mutable_msrs()->pop_back(); }); }},
  };
}

std::vector<BrokenImage> index_cases() {
  return {
      {"format.index", "part",
       [] {
         return edited(v1::Record::kIndexPartFieldNumber, [](v1::Record& record) {
           record.mutable_index_part()->set_first_pfn(65536);
         });
       }},
      {"index.kind", "last_run",
       [] {
         return edited(v1::Record::kIndexPartFieldNumber, [](v1::Record& record) {
           // pfns 598 and 599 become page tables that nobody uses
           auto& runs = *record.mutable_index_part()->mutable_runs();
           runs[runs.size() - 2] = v1::L1;
         });
       }},
      {"index.record", "beside", index_beside_record},
      {"index.totals", "bytes",
       [] {
         return edited(v1::Record::kIndexRootFieldNumber,
                       [](v1::Record& record) { record.mutable_index_root()->set_pages_bytes(7); });
       }},
      {"index.totals", "kind",
       [] {
         return edited(v1::Record::kIndexRootFieldNumber, [](v1::Record& record) {
           auto& kinds = *record.mutable_index_root()->mutable_kind_pages();
           kinds[1] = kinds[1] + 1;
         });
       }},
      {"index.others", "last",
       [] {
         // A Timeline that the root does not name.
         std::vector<Piece> pieces = take_apart(changed(
             [](G& guest) { guest.extra.emplace_back().mutable_timeline()->set_finished_us(1); }));
         edit(find_piece(pieces, v1::Record::kIndexRootFieldNumber), [](v1::Record& record) {
           record.mutable_index_root()->mutable_other_offsets()->RemoveLast();
         });
         return put_together(pieces);
       }},
  };
}

}  // namespace

std::vector<BrokenImage> broken_records() {
  std::vector<BrokenImage> all;
  for (auto part : {record_cases, index_cases})
    for (BrokenImage& broken : part()) all.push_back(std::move(broken));
  return all;
}

}  // namespace ferry::test
