// What a Linux has in its memory for tools that look at it.
#include "tests/evidence/fake_linux.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "tests/evidence/btf_builder.h"

namespace ferry::test {
namespace {

using G = TestGuest;
constexpr uint64_t kL3 = 300, kL2 = 301, kL1 = 302;

// Offsets and sizes, none of them Linux's.
constexpr uint64_t kRingBytes = 200, kDescRingAt = 16, kTextRingAt = 120;
constexpr uint64_t kCountBitsAt = 4, kDescsAt = 8, kInfosAt = 24, kHeadIdAt = 40, kTailIdAt = 56;
constexpr uint64_t kDescBytes = 40, kStateAt = 8, kBlkAt = 16, kBeginAt = 8, kNextAt = 0;
constexpr uint64_t kInfoBytes = 48, kSeqAt = 8, kTimeAt = 24, kTextLenAt = 32, kCallerAt = 40;
constexpr uint64_t kSizeBitsAt = 0, kDataAt = 16;

// Structures as no Linux has them, some members in structures without a name.
constexpr uint32_t kTaskBytes = 128, kStateInTask = 20, kExitStateAt = 40, kFlagsAt = 44,
                   kMmAt = 48, kTasksAt = 56, kTgidAt = 72, kParentAt = 80, kCommandAt = 88;
constexpr uint32_t kMmBytes = 256, kTotalVmInMm = 16, kRssInMm = 32;

struct MadeBtf {
  std::string bytes;
  uint32_t rss_step = 0, rss_count = 0;
};

MadeBtf make_btf(bool counters_of_6_1) {
  BtfBuilder btf;
  const uint32_t u32 = btf.integer("unsigned int", 4), u64 = btf.integer("unsigned long", 8),
                 character = btf.integer("char", 1), list = btf.structure("list_head", 16, {}),
                 pointer = btf.pointer(u64), name = btf.array(character, 16);
  MadeBtf made;
  uint32_t rss;
  if (counters_of_6_1) {
    const uint32_t counter =
        btf.typedef_of("atomic_long_t", btf.structure("", 8, {{"counter", u64, 0}}));
    rss = btf.structure("mm_rss_stat", 40, {{"count", btf.array(counter, 4), 8}});
    made.rss_step = 8;
    made.rss_count = 8;
  } else {
    const uint32_t counter =
        btf.structure("percpu_counter", 40, {{"lock", u32, 0}, {"count", btf.constant(u64), 16}});
    rss = btf.array(counter, 4);
    made.rss_step = 40;
    made.rss_count = 16;
  }
  const uint32_t inside = btf.structure(
      "", 248, {{"total_vm", u64, kTotalVmInMm - 8}, {"rss_stat", rss, kRssInMm - 8}});
  btf.structure("mm_struct", kMmBytes, {{"", inside, 8}});
  const uint32_t state = btf.structure("", 8, {{"__state", u32, kStateInTask - 16}});
  btf.structure("task_struct", kTaskBytes,
                {{"", state, 16},
                 {"exit_state", u32, kExitStateAt},
                 {"flags", u32, kFlagsAt},
                 {"mm", pointer, kMmAt},
                 {"tasks", list, kTasksAt},
                 {"tgid", u32, kTgidAt},
                 {"real_parent", pointer, kParentAt},
                 {"comm", name, kCommandAt}});
  made.bytes = btf.bytes();
  return made;
}

}  // namespace

void FakeLinux::put_processes(const std::vector<FakeProcess>& processes, bool counters_of_6_1) {
  const MadeBtf btf = make_btf(counters_of_6_1);
  const uint64_t start = allocate(btf.bytes.size());
  write(start, btf.bytes.data(), btf.bytes.size());
  add_symbol("__start_BTF", start);
  add_symbol("__stop_BTF", start + btf.bytes.size());
  const auto u32 = [&](uint64_t at, uint32_t value) { write(at, &value, sizeof value); };
  tasks_[0] = allocate(kTaskBytes);
  add_symbol("init_task", tasks_[0]);
  for (const FakeProcess& process : processes) tasks_[process.pid] = allocate(kTaskBytes);
  uint64_t before = tasks_[0];
  for (const FakeProcess& process : processes) {
    const uint64_t task = tasks_[process.pid];
    write_u64(before + kTasksAt, task + kTasksAt);
    before = task;
    u32(task + kStateInTask, process.state);
    u32(task + kExitStateAt, process.exit_state);
    u32(task + kFlagsAt, process.kernel ? 0x200000 : 0);
    u32(task + kTgidAt, process.pid);
    write_u64(task + kParentAt, tasks_.at(process.parent));
    write(task + kCommandAt, process.command.data(), std::min<size_t>(process.command.size(), 16));
    if (process.kernel || process.exit_state != 0) continue;
    const uint64_t mm = allocate(kMmBytes);
    write_u64(task + kMmAt, mm);
    write_u64(mm + kTotalVmInMm, process.virtual_pages);
    const uint64_t rss = mm + kRssInMm + btf.rss_count;
    write_u64(rss, process.file_pages);
    write_u64(rss + btf.rss_step, process.anonymous_pages);
    write_u64(rss + 2 * btf.rss_step, 1'000'000);     // swapped out: not resident
    write_u64(rss + 3 * btf.rss_step, ~uint64_t{0});  // a counter may be below 0 for a while
  }
  write_u64(before + kTasksAt, tasks_[0] + kTasksAt);
}

FakeLinux::FakeLinux(TestGuest& guest) : guest_(guest) {
  guest.pages[kL3] = {.kind = v1::L3};
  guest.pages[kL2] = {.kind = v1::L2};
  guest.pages[kL1] = {.kind = v1::L1};
  guest.page(G::kKernelL4).words[511] = table_entry(kL3);
  guest.page(kL3).words[510] = table_entry(kL2);
  guest.page(kL2).words[8] = table_entry(kL1);
  for (uint64_t i = 0; i < kImagePages; ++i) {
    guest.page(kL1).words[i] = table_entry(kImagePfn + i);
    guest.pages[kImagePfn + i] = {};
  }
  guest.pages[kNotePfn] = {};
  guest.page(G::kKernelL1).words[kNotePfn] = table_entry(kNotePfn);
  say("OSRELEASE=6.1.0-test");
  say("PAGESIZE=4096");
  say(fmt::format("SYMBOL(_stext)={:x}", kImage));
  say("KERNELOFFSET=0");
  say("NUMBER(phys_base)=0");
  for (unsigned i = 0; i < 8; ++i) say(fmt::format("NUMBER(of_no_interest_{})={}", i, i));
  allocate(64);
  start_info_variable_ = allocate(8);
  write_u64(start_info_variable_, kDirectMap + (G::kStartInfo << 12));
  add_symbol("xen_start_info", start_info_variable_);
  const uint64_t note = allocate(8);
  write_u64(note, kDirectMap + (kNotePfn << 12));
  add_symbol("vmcoreinfo_note", note);
  add_symbol("_stext", kImage);
  add_symbol("_end", kImage + kImagePages * 4096);
}

uint64_t FakeLinux::allocate(size_t bytes) {
  const uint64_t at = next_;
  next_ += (bytes + 15) / 16 * 16;
  if (next_ > kImage + kImagePages * 4096) throw std::runtime_error("no memory is left");
  return at;
}

void FakeLinux::write(uint64_t vaddr, const void* from, size_t bytes) {
  const auto* source = static_cast<const char*>(from);
  for (; bytes != 0; --bytes, ++vaddr, ++source) {
    auto& page = guest_.page(kImagePfn + (vaddr - kImage) / 4096).words;
    std::memcpy(reinterpret_cast<char*>(page.data()) + vaddr % 4096, source, 1);
  }
}

void FakeLinux::put_note(uint64_t pfn, const std::string& text) {
  auto& words = guest_.page(pfn).words;
  auto* at = reinterpret_cast<char*>(words.data());
  const uint32_t header[] = {11, static_cast<uint32_t>(text.size()), 0};
  std::memcpy(at, header, sizeof header);
  std::memcpy(at + 12, "VMCOREINFO\0\0", 12);
  std::memcpy(at + 24, text.data(), std::min<size_t>(text.size(), 4096 - 24));
}

// A token for each byte: what the compressor of the kernel's build would do is of no interest.
void FakeLinux::put_kallsyms() {
  std::string names, tokens;
  std::vector<uint16_t> index;
  for (unsigned c = 0; c < 256; ++c) {
    index.push_back(static_cast<uint16_t>(tokens.size()));
    // One token stands for more than a letter.
    tokens += c == 1 ? std::string("xen_") : std::string(1, static_cast<char>(c));
    tokens += '\0';
  }
  std::vector<int32_t> offsets;
  for (const auto& [name, vaddr] : symbols_) {
    std::string entry = "T" + name;
    if (const size_t at = entry.find("xen_"); at != std::string::npos) entry.replace(at, 4, "\x01");
    if (entry.size() > 127) {
      names += static_cast<char>(0x80 | (entry.size() & 0x7f));
      names += static_cast<char>(entry.size() >> 7);
    } else {
      names += static_cast<char>(entry.size());
    }
    names += entry;
    offsets.push_back(static_cast<int32_t>(kImage - 1 - vaddr));
  }
  const auto put = [&](const std::string& name, const void* from, size_t bytes) {
    const uint64_t at = allocate(bytes);
    write(at, from, bytes);
    say(fmt::format("SYMBOL({})={:x}", name, at));
  };
  const auto many = static_cast<uint32_t>(symbols_.size());
  put("kallsyms_names", names.data(), names.size());
  put("kallsyms_num_syms", &many, sizeof many);
  put("kallsyms_token_table", tokens.data(), tokens.size());
  put("kallsyms_token_index", index.data(), index.size() * 2);
  put("kallsyms_offsets", offsets.data(), offsets.size() * 4);
  put("kallsyms_relative_base", &kImage, sizeof kImage);
}

void FakeLinux::finish() {
  add_symbol(std::string(200, 'x'), kImage + 16);  // a name whose length takes two bytes
  put_kallsyms();
  put_note(kNotePfn, text_);
}

void FakeLinux::put_log(const std::vector<FakeRecord>& records, unsigned bits, unsigned data_bits) {
  const uint64_t count = uint64_t{1} << bits, bytes = uint64_t{1} << data_bits;
  const uint64_t variable = allocate(8), ring = allocate(kRingBytes),
                 descs = allocate(count * kDescBytes), infos = allocate(count * kInfoBytes),
                 data = allocate(bytes);
  const auto u32 = [&](uint64_t at, uint64_t value) {
    const auto small = static_cast<uint32_t>(value);
    write(at, &small, sizeof small);
  };
  // Ids and positions began so that both go round early on.
  const uint64_t first_id = (uint64_t{1} << 62) - 3;
  uint64_t position = ~uint64_t{0} - bytes / 2 + 1, id = first_id, oldest = 0;
  const uint64_t id_mask = (uint64_t{1} << 62) - 1;
  std::vector<std::pair<uint64_t, uint64_t>> blocks;  // begin, end
  for (size_t i = 0; i < records.size(); ++i, id = (id + 1) & id_mask) {
    const FakeRecord& record = records[i];
    const uint64_t desc = descs + (id % count) * kDescBytes,
                   info = infos + (id % count) * kInfoBytes;
    uint64_t begin = 3, next = 3;
    if (!record.text.empty()) {
      const uint64_t size = (8 + record.text.size() + 7) / 8 * 8;
      begin = position;
      next = position + size;
      uint64_t at = begin % bytes;
      if (begin / bytes != next / bytes) {
        at = 0;
        next = (begin / bytes + 1) * bytes + size;
      }
      write_u64(data + at, id);
      write(data + at + 8, record.text.data(), record.text.size());
      position = next;
    }
    blocks.emplace_back(begin, next);
    write_u64(desc + kStateAt, id | uint64_t{i % 2 == 0 ? 2u : 1u} << 62);
    write_u64(desc + kBlkAt + kBeginAt, begin);
    write_u64(desc + kBlkAt + kNextAt, next);
    write_u64(info + kSeqAt, i);
    write_u64(info + kTimeAt, record.nanoseconds);
    u32(info + kTextLenAt, record.text.size() | record.facility << 16 | record.level << 29);
    u32(info + kCallerAt, i * 3);
    if (i - oldest >= count) ++oldest;
    for (size_t j = oldest; j <= i; ++j)
      if (blocks[j].first % 2 == 0 && position - blocks[j].first > bytes) oldest = j + 1;
  }
  write_u64(variable, ring);
  u32(ring + kDescRingAt + kCountBitsAt, bits);
  write_u64(ring + kDescRingAt + kDescsAt, descs);
  write_u64(ring + kDescRingAt + kInfosAt, infos);
  write_u64(ring + kDescRingAt + kHeadIdAt, (first_id + records.size() - 1) & id_mask);
  write_u64(ring + kDescRingAt + kTailIdAt, (first_id + oldest) & id_mask);
  u32(ring + kTextRingAt + kSizeBitsAt, data_bits);
  write_u64(ring + kTextRingAt + kDataAt, data);
  say(fmt::format("SYMBOL(prb)={:x}", variable));
  const std::pair<const char*, uint64_t> places[] = {
      {"OFFSET(printk_ringbuffer.desc_ring)", kDescRingAt},
      {"OFFSET(printk_ringbuffer.text_data_ring)", kTextRingAt},
      {"OFFSET(prb_desc_ring.count_bits)", kCountBitsAt},
      {"OFFSET(prb_desc_ring.descs)", kDescsAt},
      {"OFFSET(prb_desc_ring.infos)", kInfosAt},
      {"OFFSET(prb_desc_ring.head_id)", kHeadIdAt},
      {"OFFSET(prb_desc_ring.tail_id)", kTailIdAt},
      {"SIZE(prb_desc)", kDescBytes},
      {"OFFSET(prb_desc.state_var)", kStateAt},
      {"OFFSET(prb_desc.text_blk_lpos)", kBlkAt},
      {"OFFSET(prb_data_blk_lpos.begin)", kBeginAt},
      {"OFFSET(prb_data_blk_lpos.next)", kNextAt},
      {"SIZE(printk_info)", kInfoBytes},
      {"OFFSET(printk_info.seq)", kSeqAt},
      {"OFFSET(printk_info.ts_nsec)", kTimeAt},
      {"OFFSET(printk_info.text_len)", kTextLenAt},
      {"OFFSET(printk_info.caller_id)", kCallerAt},
      {"OFFSET(prb_data_ring.size_bits)", kSizeBitsAt},
      {"OFFSET(prb_data_ring.data)", kDataAt}};
  for (const auto& [what, value] : places) say(fmt::format("{}={}", what, value));
}

}  // namespace ferry::test
