// A tiny guest that is complete, and images of it.
#include "tests/audit/image_builder.h"

#include <algorithm>
#include <cstring>

#include "proto/record_reader.h"
#include "proto/record_writer.h"

namespace ferry::test {
namespace {

// Where things are in struct vcpu_guest_context, shared_info and start_info (x86_64).
constexpr size_t kContextBytes = 5168, kFlags = 512, kRdx = 616, kGdtFrames = 4832,
                 kGdtEntries = 4960, kCr1 = 4992, kCr3 = 5008;
constexpr size_t kMaxPfn = 3088, kP2mCr3 = 3112, kP2mVirtual = 3120;
constexpr size_t kStoreWord = 56 / 8, kConsoleWord = 72 / 8;
constexpr uint64_t kInvalid = ~uint64_t{0};

TestPage table(v1::PageKind kind) {
  return {.kind = kind};
}

TestPage data(uint64_t seed) {
  TestPage page;
  for (size_t i = 0; i < 8; ++i) page.words[i * 61] = (seed + 1) * 0x9e3779b97f4a7c15 + i;
  return page;
}

void put_u32(std::string& bytes, uint32_t value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void put_u64(std::string& bytes, size_t at, uint64_t value) {
  std::memcpy(bytes.data() + at, &value, sizeof value);
}

TestVcpu make_vcpu(unsigned id) {
  TestVcpu vcpu;
  vcpu.record.set_id(id);
  vcpu.record.mutable_basic()->resize(kContextBytes);
  vcpu.set(kFlags, 4 | 1);  // in kernel mode, with FPU
  vcpu.set(kRdx, id == 0 ? TestGuest::kStartInfo : 0);
  vcpu.set(kGdtFrames, id == 0 ? TestGuest::kGdt0 : TestGuest::kGdt1);
  vcpu.set(kGdtEntries, 16);
  vcpu.set(kCr1, TestGuest::kUserL4 << 12 | 1);
  vcpu.set(kCr3, TestGuest::kKernelL4 << 12);
  std::string& extended = *vcpu.record.mutable_extended();
  put_u32(extended, id);
  put_u32(extended, 64);
  extended.resize(64);
  std::string& xsave = *vcpu.record.mutable_xsave();
  xsave.resize(16 + 832);
  put_u64(xsave, 0, 7);
  put_u64(xsave, 8, 7);
  put_u64(xsave, 16 + 512, 7);
  std::string& msrs = *vcpu.record.mutable_msrs();
  put_u32(msrs, 0xc0000103);  // TSC_AUX
  msrs.resize(16);
  put_u64(msrs, 8, id + 1);
  return vcpu;
}

void put_cpuid(std::string& leaves, std::array<uint32_t, 6> leaf) {
  for (uint32_t word : leaf) put_u32(leaves, word);
}

void make_page_tables(TestGuest& guest) {
  using G = TestGuest;
  auto& pages = guest.pages;
  pages[G::kKernelL4] = table(v1::L4_PINNED);
  pages[G::kKernelL4].words[272] = table_entry(G::kKernelL3);
  pages[G::kKernelL4].words[G::kP2mVaddr >> 39 & 511] = table_entry(G::kP2mL3);
  pages[G::kKernelL3] = table(v1::L3);
  pages[G::kKernelL3].words[0] = table_entry(G::kKernelL2);
  pages[G::kKernelL2] = table(v1::L2);
  pages[G::kKernelL2].words[0] = table_entry(G::kKernelL1);
  pages[G::kKernelL1] = table(v1::L1_PINNED);
  pages[G::kUserL4] = table(v1::L4_PINNED);
  pages[G::kUserL4].words[0] = table_entry(G::kUserL3);
  pages[G::kUserL3] = table(v1::L3);
  pages[G::kUserL3].words[511] = table_entry(G::kUserL2);
  pages[G::kUserL2] = table(v1::L2);
  pages[G::kUserL2].words[7] = table_entry(G::kUserL1);
  pages[G::kUserL1] = table(v1::L1);
  for (uint64_t i = 0; i < 12; ++i)
    pages[G::kUserL1].words[100 + i] = table_entry(G::kData + i) | uint64_t{1} << 63;
  pages[G::kUserL1].words[200] = 0x7ffff000;  // not present: a swap entry, names nothing
  pages[G::kP2mL3] = table(v1::L3);
  pages[G::kP2mL3].words[0] = table_entry(G::kP2mL2);
  pages[G::kP2mL2] = table(v1::L2);
  pages[G::kP2mL2].words[0] = table_entry(G::kP2mL1);
  pages[G::kP2mL1] = table(v1::L1);
}

// Everything that has a frame is mapped once by the kernel: tables and GDTs read-only.
void map_everything(TestGuest& guest) {
  using G = TestGuest;
  for (const auto& [pfn, page] : guest.pages) {
    const bool read_only = is_page_table(page.kind) || pfn == G::kGdt0 || pfn == G::kGdt1;
    if (pfn < 512)
      guest.pages[G::kKernelL1].words[pfn] = table_entry(pfn, read_only ? 0 : kWritable);
  }
}

void make_p2m(TestGuest& guest) {
  guest.leaves = {TestGuest::kLeaf0, TestGuest::kLeaf1};
  for (uint64_t leaf : guest.leaves) {
    guest.pages[leaf].kind = v1::P2M_LEAF;
    guest.pages[leaf].words.fill(kInvalid);
  }
  for (const auto& [pfn, page] : guest.pages) guest.p2m_entry(pfn) = pfn;
  guest.p2m_entry(100) = uint64_t{1} << 62 | 100;  // identity
  guest.p2m_entry(101) = uint64_t{1} << 63;        // foreign
  guest.pages[TestGuest::kP2mL1].words[0] = table_entry(TestGuest::kLeaf0);
  guest.pages[TestGuest::kP2mL1].words[1] = table_entry(TestGuest::kLeaf1);
}

void make_data(TestGuest& guest) {
  using G = TestGuest;
  guest.pages[G::kStartInfo].words[kStoreWord] = G::kStore;
  guest.pages[G::kStartInfo].words[kConsoleWord] = G::kConsole;
  guest.pages[G::kStore] = data(G::kStore);
  guest.pages[G::kConsole].kind = v1::ZERO;
  for (uint64_t gdt : {G::kGdt0, G::kGdt1}) {
    guest.pages[gdt].words[1] = 0x00affb000000ffff;  // 64-bit code of ring 3
    guest.pages[gdt].words[2] = 0x00cff3000000ffff;  // data
    guest.pages[gdt].words[4] = 0x0000ec000010abcd;  // a call gate into the code segment
  }
  for (uint64_t pfn = G::kData; pfn < G::kZero; ++pfn) guest.pages[pfn] = data(pfn);
  for (uint64_t pfn = G::kZero; pfn < G::kAbsent; ++pfn) guest.pages[pfn].kind = v1::ZERO;
  guest.pages[G::kLast - 1] = data(1);
  guest.pages[G::kLast] = data(2);
}

void make_head(TestGuest& guest, unsigned vcpus) {
  v1::Head& head = guest.head;
  head.set_guest_width(8);
  head.set_pt_levels(4);
  head.set_nr_pfns(TestGuest::kPfns);
  head.set_populated_pages(guest.pages.size());
  head.set_max_vcpu_id(vcpus - 1);
  for (unsigned id = 0; id < vcpus; ++id) head.add_online_vcpus(id);
  head.set_start_info_pfn(TestGuest::kStartInfo);
  head.set_linear_p2m(true);
  head.set_p2m_vaddr(TestGuest::kP2mVaddr);
  head.set_p2m_root_pfn(TestGuest::kKernelL4);
  head.set_xen_major(4);
  head.set_xen_minor(17);
}

// Cuts pages into Pages records of guest.pages_per_record pages with data.
class Batches {
 public:
  Batches(RecordWriter& writer, const TestGuest& guest, uint32_t round)
      : writer_(writer), most_(guest.pages_per_record), round_(round), encoder_(guest.level) {}

  void add(uint64_t pfn, const TestPage& page) {
    append_page(runs_, pfn_t(pfn), page.kind);
    if (!has_data(page.kind)) return;
    const auto bytes = std::as_bytes(std::span(page.words));
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    if (bytes_.size() == most_ * kPageSize) flush();
  }
  void flush() {
    if (runs_.empty()) return;
    const uint64_t sequence = writer_.next_sequence();
    writer_.write_pages(encoder_.encode(sequence, round_, runs_, bytes_), runs_);
    runs_.clear();
    bytes_.clear();
  }

 private:
  RecordWriter& writer_;
  unsigned most_;
  uint32_t round_;
  PagesEncoder encoder_;
  std::vector<PageRun> runs_;
  Bytes bytes_;
};

void write_pages(RecordWriter& writer, const TestGuest& guest) {
  if (!guest.earlier.empty()) {
    Batches first(writer, guest, 0);
    for (const auto& [pfn, page] : guest.earlier) first.add(pfn, page);
    first.flush();
  }
  Batches batches(writer, guest, guest.earlier.empty() ? 0 : 1);
  static const TestPage kNothing{.kind = v1::ABSENT};
  for (uint64_t pfn = 0; pfn < guest.head.nr_pfns(); ++pfn) {
    if (std::find(guest.unmentioned.begin(), guest.unmentioned.end(), pfn) !=
        guest.unmentioned.end())
      continue;
    auto page = guest.pages.find(pfn);
    batches.add(pfn, page == guest.pages.end() ? kNothing : page->second);
  }
  batches.flush();
}

void read_pages(const PagesView& view, std::span<const std::byte> bytes,
                std::map<uint64_t, TestPage>& pages) {
  for (const PageRun& run : view.runs) {
    for (uint64_t i = 0; i < run.count; ++i) {
      const uint64_t pfn = run.first.raw() + i;
      pages.erase(pfn);
      if (run.kind == v1::ABSENT) continue;
      TestPage& page = pages[pfn];
      page.kind = run.kind;
      if (!has_data(run.kind)) continue;
      std::memcpy(page.words.data(), bytes.data(), kPageSize);
      bytes = bytes.subspan(kPageSize);
    }
  }
}

std::vector<uint64_t> populated_runs(const TestGuest& guest) {
  std::vector<uint64_t> runs;
  uint64_t next = 0;
  for (const auto& [pfn, page] : guest.pages) {
    if (!runs.empty() && pfn == next) {
      ++runs.back();
    } else {
      runs.push_back(pfn - next);
      runs.push_back(1);
    }
    next = pfn + 1;
  }
  return runs;
}

}  // namespace

uint64_t TestVcpu::get(size_t at) const {
  uint64_t value;
  std::memcpy(&value, record.basic().data() + at, sizeof value);
  return value;
}

void TestVcpu::set(size_t at, uint64_t value) {
  put_u64(*record.mutable_basic(), at, value);
}

TestGuest::TestGuest(unsigned vcpus) {
  make_page_tables(*this);
  make_data(*this);
  make_p2m(*this);
  map_everything(*this);
  make_head(*this, vcpus);
  for (unsigned id = 0; id < vcpus; ++id) vcpu.push_back(make_vcpu(id));
  shared_info.mutable_page()->resize(4096);
  set_shared_info(kMaxPfn, kPfns);
  set_shared_info(kP2mCr3, kKernelL4 << 12);
  set_shared_info(kP2mVirtual, kP2mVaddr);
  put_cpuid(*cpu_policy.mutable_cpuid_leaves(), {0, ~0u, 0xd, 0, 0, 0});
  put_cpuid(*cpu_policy.mutable_cpuid_leaves(), {0x80000001, ~0u, 0, 0, 0, 1u << 27});  // RDTSCP
  put_cpuid(*cpu_policy.mutable_cpuid_leaves(), {0xd, 0, 7, 0, 832, 0});
  put_cpuid(*cpu_policy.mutable_cpuid_leaves(), {0xd, 2, 256, 576, 0, 0});
  put_cpuid(*cpu_policy.mutable_cpuid_leaves(), {1, ~0u, 0x306a9, 0, 0, 0});
  put_u32(*cpu_policy.mutable_msrs(), 0xce);
  put_u32(*cpu_policy.mutable_msrs(), 0);
  cpu_policy.mutable_msrs()->resize(16);
  tsc.set_mode(1);
  tsc.set_khz(2000000);
}

TestGuest TestGuest::of_image(const Bytes& image) {
  TestGuest guest(0);
  guest.pages.clear();
  guest.unmentioned.clear();
  MemorySource source(image);
  RecordReader reader(source);
  PagesDecoder decoder;
  while (const std::optional<RawRecord> raw = reader.next()) {
    if (raw->kind == v1::Record::kPagesFieldNumber) {
      const PagesView view = decode_pages(*raw, guest.head.nr_pfns());
      read_pages(view, decoder.decompress(*raw, view), guest.pages);
      continue;
    }
    const v1::Record record = parse_record(*raw);
    if (record.has_head()) guest.head = record.head();
    if (record.has_cpu_policy()) guest.cpu_policy = record.cpu_policy();
    if (record.has_config()) guest.config = record.config();
    if (record.has_tsc()) guest.tsc = record.tsc();
    if (record.has_shared_info()) guest.shared_info = record.shared_info();
    if (record.has_vcpu()) guest.vcpu.push_back({record.vcpu()});
    if (record.has_p2m_frames())
      guest.leaves.assign(record.p2m_frames().leaf_pfns().begin(),
                          record.p2m_frames().leaf_pfns().end());
    if (record.has_populated())
      guest.populated.emplace(record.populated().runs().begin(), record.populated().runs().end());
  }
  return guest;
}

void TestGuest::set_shared_info(size_t at, uint64_t value) {
  put_u64(*shared_info.mutable_page(), at, value);
}

uint64_t& TestGuest::p2m_entry(uint64_t pfn) {
  return pages.at(pfn < 512 ? kLeaf0 : kLeaf1).words[pfn % 512];
}

void TestGuest::use_tree() {
  head.set_linear_p2m(false);
  head.set_p2m_vaddr(0);
  head.set_p2m_root_pfn(kData);
  head.add_stale_frame_lists(kData);
  head.add_stale_frame_lists(2);
  set_shared_info(kP2mCr3, 0);
  set_shared_info(kP2mVirtual, 0);
}

Bytes build(const TestGuest& guest) {
  MemorySink sink;
  RecordWriter writer(sink, guest.head.nr_pfns());
  auto put = [&](v1::Record record) {
    if (!guest.filter || guest.filter(record)) writer.write(std::move(record));
  };
  v1::Record record;
  *record.mutable_head() = guest.head;
  put(record);
  if (guest.config) {
    *record.mutable_config() = *guest.config;
    put(record);
  }
  *record.mutable_cpu_policy() = guest.cpu_policy;
  put(record);
  const std::vector<uint64_t> runs = guest.populated.value_or(populated_runs(guest));
  record.mutable_populated()->mutable_runs()->Assign(runs.begin(), runs.end());
  put(record);
  record.mutable_p2m_frames()->mutable_leaf_pfns()->Assign(guest.leaves.begin(),
                                                           guest.leaves.end());
  put(record);
  write_pages(writer, guest);
  *record.mutable_tsc() = guest.tsc;
  put(record);
  *record.mutable_shared_info() = guest.shared_info;
  put(record);
  for (const TestVcpu& vcpu : guest.vcpu) {
    *record.mutable_vcpu() = vcpu.record;
    put(record);
  }
  for (const v1::Record& more : guest.extra) put(more);
  writer.finish();
  return sink.bytes();
}

Bytes small_image() {
  TestGuest guest(1);
  guest.pages_per_record = 32;
  return build(guest);
}

}  // namespace ferry::test
