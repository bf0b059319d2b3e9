// What is in the golden images of format version 1.0. It does not use the sample image on purpose:
// nothing here may ever change, because the files in tests/golden/ do not.
#pragma once

#include <string>
#include <vector>

#include "tests/proto/sample_image.h"

namespace ferry::test::golden {

inline constexpr uint64_t kPfns = 70000;  // two parts of the index
inline constexpr char kXlConfig[] = "{\"c_info\":{\"type\":\"pv\",\"name\":\"golden\"}}";

inline Bytes page(uint64_t seed, bool compressible) {
  Bytes bytes(kPageSize);
  uint64_t state = seed;
  for (size_t i = 0; i < bytes.size(); ++i) {
    state = state * 6364136223846793005 + 1442695040888963407;
    bytes[i] = std::byte(compressible ? (i / 32 * (seed + 1)) & 0xff : state >> 56);
  }
  return bytes;
}

inline void add(Batch& batch, uint64_t pfn, v1::PageKind kind, bool compressible = true) {
  append_page(batch.runs, pfn_t(pfn), kind);
  if (!has_data(kind)) return;
  const Bytes bytes = page(pfn + 1000 * batch.round, compressible);
  batch.pages.insert(batch.pages.end(), bytes.begin(), bytes.end());
}

inline std::vector<Batch> batches() {
  std::vector<Batch> all(4);
  uint64_t pfn = 10;
  for (const v1::PageKind kind :
       {v1::DATA, v1::L1, v1::L2, v1::L3, v1::L4, v1::L1_PINNED, v1::L2_PINNED, v1::L3_PINNED,
        v1::L4_PINNED, v1::ABSENT, v1::ZERO, v1::P2M_LEAF}) {
    add(all[0], pfn, kind);
    add(all[0], pfn + 1, kind);
    pfn += 3;
  }
  for (pfn = 200; pfn < 204; ++pfn) add(all[1], pfn, v1::DATA, false);  // stored raw
  for (pfn = 65000; pfn < 66000; ++pfn) add(all[2], pfn, v1::ZERO);     // no data at all
  all[3].round = 2;
  add(all[3], 10, v1::ZERO);
  add(all[3], 11, v1::L1);
  add(all[3], 37, v1::DATA);
  add(all[3], 202, v1::ABSENT);
  add(all[3], kPfns - 1, v1::DATA);
  return all;
}

// Before and behind the pages.
inline std::vector<v1::Record> first_records() {
  std::vector<v1::Record> records(5);
  v1::Head& head = *records[0].mutable_head();
  head.set_guest_width(8);
  head.set_pt_levels(4);
  head.set_nr_pfns(kPfns);
  head.set_populated_pages(1026);
  head.set_max_vcpu_id(2);
  head.add_online_vcpus(0);
  head.add_online_vcpus(2);
  head.set_start_info_pfn(200);
  head.set_linear_p2m(true);
  head.set_p2m_vaddr(0xffffc90000000000);
  head.set_p2m_root_pfn(22);
  head.add_stale_frame_lists(201);
  head.add_stale_frame_lists(2);
  head.set_xen_major(4);
  head.set_xen_minor(17);
  head.set_live(true);
  records[1].mutable_cpu_policy()->set_cpuid_leaves(std::string(48, 'c'));
  records[1].mutable_cpu_policy()->set_msrs(std::string(16, 'm'));
  records[2].mutable_config()->set_libxl_json(kXlConfig);
  records[2].mutable_config()->set_name("golden");
  records[2].mutable_config()->set_uuid("0123456789abcdef");
  records[2].mutable_config()->set_xl_flags(3);
  for (const uint64_t n : {10, 27, 3, 8}) records[3].mutable_populated()->add_runs(n);
  for (const uint64_t n : {43, 44, 44}) records[4].mutable_p2m_frames()->add_leaf_pfns(n);
  return records;
}

inline std::vector<v1::Record> last_records() {
  std::vector<v1::Record> records(5);
  v1::Tsc& tsc = *records[0].mutable_tsc();
  tsc.set_mode(1);
  tsc.set_khz(2'400'000);
  tsc.set_nsec(123456789012);
  tsc.set_incarnation(3);
  records[1].mutable_shared_info()->set_page(std::string(kPageSize, '\1'));
  for (const uint32_t id : {0u, 2u}) {
    v1::Vcpu& vcpu = *records[id == 0 ? 2 : 3].mutable_vcpu();
    vcpu.set_id(id);
    vcpu.set_basic(std::string(5168, static_cast<char>('a' + id)));
    vcpu.set_extended(std::string(64, 'e'));
    vcpu.set_xsave(std::string(592, 'x'));
    vcpu.set_msrs(std::string(16, 'm'));
  }
  v1::Timeline& timeline = *records[4].mutable_timeline();
  timeline.set_started_unix_ms(1700000000000);
  timeline.set_suspended_us(250000);
  timeline.set_finished_us(300000);
  timeline.set_host("dom0.example.org");
  for (const uint64_t n : {100000, 200000, 290000}) timeline.add_round_us(n);
  for (const uint64_t n : {1026, 0, 5}) timeline.add_round_pages(n);
  return records;
}

}  // namespace ferry::test::golden
