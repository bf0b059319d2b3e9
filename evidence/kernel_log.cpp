// The kernel's log.
//
//   struct printk_ringbuffer    desc_ring, text_data_ring
//   struct prb_desc_ring        count_bits; descs, infos: two arrays of 2^count_bits;
//                               head_id, tail_id
//   struct prb_desc             state_var: | state 2 | id 62 |; text_blk_lpos: begin, next
//   struct printk_info          seq, ts_nsec, text_len 2, facility 1, flags and level 1,
//                               caller_id 4
//   struct prb_data_ring        size_bits, data; a block: | id 8 | text … |
//
// Positions in the data ring count on and on; a block that would not fit before its end begins at
// its beginning. Lowest bit set in begin: there is no block.
#include "evidence/kernel_log.h"

#include <array>

#include "audit/layout.h"
#include "error/error.h"

namespace ferry::evidence {
namespace {

constexpr uint64_t kMostDescriptorBits = 22, kMostDataBits = 28;
constexpr uint64_t kMostStructBytes = 1024;
constexpr uint64_t kIdMask = ~uint64_t{0} >> 2;
constexpr uint64_t kCommitted = 1, kFinalized = 2;

// Everything that VMCOREINFO says of it: offsets and sizes in bytes.
struct Shape {
  uint64_t desc_ring, data_ring;                                     // printk_ringbuffer
  uint64_t count_bits, descs, infos, head_id, tail_id;               // prb_desc_ring
  uint64_t desc_bytes, state_var, begin, next;                       // prb_desc
  uint64_t info_bytes, seq, ts_nsec, text_len, facility, caller_id;  // printk_info
  uint64_t size_bits, data;                                          // prb_data_ring
};

class ShapeReader {
 public:
  explicit ShapeReader(const VmcoreInfo& info) : info_(info) {}

  uint64_t at(const char* member) const { return checked(info_.offset(member), member); }
  uint64_t bytes(const char* type) const { return checked(info_.size(type), type); }

 private:
  static uint64_t checked(std::optional<uint64_t> value, const char* what) {
    if (!value) fail(Errc::unsupported, "the kernel does not say where {} is", what);
    if (*value > kMostStructBytes)
      fail(Errc::bad_image, "the kernel says that {} is at or has {} bytes", what, *value);
    return *value;
  }
  const VmcoreInfo& info_;
};

Shape shape_of(const VmcoreInfo& info) {
  const ShapeReader read(info);
  // Of atomic_long_t too, which is what they are: its counter is all of it.
  const uint64_t blk = read.at("prb_desc.text_blk_lpos"),
                 text_len = read.at("printk_info.text_len");
  return {.desc_ring = read.at("printk_ringbuffer.desc_ring"),
          .data_ring = read.at("printk_ringbuffer.text_data_ring"),
          .count_bits = read.at("prb_desc_ring.count_bits"),
          .descs = read.at("prb_desc_ring.descs"),
          .infos = read.at("prb_desc_ring.infos"),
          .head_id = read.at("prb_desc_ring.head_id"),
          .tail_id = read.at("prb_desc_ring.tail_id"),
          .desc_bytes = read.bytes("prb_desc"),
          .state_var = read.at("prb_desc.state_var"),
          .begin = blk + read.at("prb_data_blk_lpos.begin"),
          .next = blk + read.at("prb_data_blk_lpos.next"),
          .info_bytes = read.bytes("printk_info"),
          .seq = read.at("printk_info.seq"),
          .ts_nsec = read.at("printk_info.ts_nsec"),
          .text_len = text_len,
          // Not named, but it has not moved since there is this ring.
          .facility = text_len + 2,
          .caller_id = read.at("printk_info.caller_id"),
          .size_bits = read.at("prb_data_ring.size_bits"),
          .data = read.at("prb_data_ring.data")};
}

class Ring {
 public:
  Ring(KernelMemory& memory, const VmcoreInfo& info) : memory_(memory), shape_(shape_of(info)) {
    const auto variable = info.symbol("prb");
    if (!variable) fail(Errc::unsupported, "the kernel does not say where its log is");
    const uint64_t ring = word(*variable), desc = ring + shape_.desc_ring,
                   data = ring + shape_.data_ring;
    const uint64_t count_bits = number(desc + shape_.count_bits),
                   size_bits = number(data + shape_.size_bits);
    if (count_bits > kMostDescriptorBits || size_bits > kMostDataBits)
      fail(Errc::bad_image, "the kernel's log claims 2^{} records in 2^{} bytes", count_bits,
           size_bits);
    count_ = uint64_t{1} << count_bits;
    data_bytes_ = uint64_t{1} << size_bits;
    descs_ = word(desc + shape_.descs);
    infos_ = word(desc + shape_.infos);
    data_ = word(data + shape_.data);
    head_id_ = word(desc + shape_.head_id) & kIdMask;
    tail_id_ = word(desc + shape_.tail_id) & kIdMask;
  }

  LogTotals visit(const std::function<void(const LogRecord&)>& each) {
    LogTotals totals;
    // head_id is the latest. More than there is room for is nothing but damage.
    for (uint64_t i = 0, id = tail_id_; i < count_; ++i, id = (id + 1) & kIdMask) {
      LogRecord record;
      if (take(id, record)) {
        each(record);
        ++totals.records;
      } else {
        totals.lost += id != head_id_;  // the latest may be under way
      }
      if (id == head_id_) break;
    }
    return totals;
  }

 private:
  [[noreturn]] static void lost(uint64_t vaddr) {
    fail(Errc::bad_image, "the kernel's log is at {:#x}, but the guest has no memory there", vaddr);
  }
  void read(uint64_t vaddr, std::span<std::byte> into) {
    if (!memory_.read(vaddr, into)) lost(vaddr);
  }
  uint64_t word(uint64_t vaddr) {
    const auto value = memory_.u64(vaddr);
    if (!value) lost(vaddr);
    return *value;
  }
  uint64_t number(uint64_t vaddr) {
    const auto value = memory_.u32(vaddr);
    if (!value) lost(vaddr);
    return *value;
  }

  // False if the record is not there, or not any more.
  bool take(uint64_t id, LogRecord& record) {
    const uint64_t slot = id & (count_ - 1);
    const uint64_t desc = descs_ + slot * shape_.desc_bytes,
                   info = infos_ + slot * shape_.info_bytes;
    const uint64_t state_var = word(desc + shape_.state_var), state = state_var >> 62;
    if ((state_var & kIdMask) != id || (state != kCommitted && state != kFinalized)) return false;
    record.sequence = word(info + shape_.seq);
    record.nanoseconds = word(info + shape_.ts_nsec);
    std::array<std::byte, 4> small;  // text_len, facility, flags and level
    read(info + shape_.text_len, small);
    record.facility = static_cast<unsigned>(small[2]);
    record.level = static_cast<unsigned>(small[3]) >> 5;
    record.caller = static_cast<uint32_t>(number(info + shape_.caller_id));
    const uint64_t bytes = audit::load_u32(small, 0) & 0xffff;
    return text(id, word(desc + shape_.begin), word(desc + shape_.next), bytes, record.text);
  }

  bool text(uint64_t id, uint64_t begin, uint64_t next, uint64_t bytes, std::string& into) {
    if ((begin & 1) != 0) return true;  // an empty line, or one that found no room
    uint64_t at = begin & (data_bytes_ - 1), end = next & (data_bytes_ - 1);
    if (begin / data_bytes_ != next / data_bytes_ && end != 0) at = 0;  // it went round
    if (end == 0) end = data_bytes_;
    if (at + sizeof(uint64_t) > end || word(data_ + at) != id) return false;
    at += sizeof(uint64_t);
    // What did not fit was cut off.
    into.resize(std::min(bytes, end - at));
    read(data_ + at, std::as_writable_bytes(std::span(into)));
    return true;
  }

  KernelMemory& memory_;
  Shape shape_;
  uint64_t count_ = 0, data_bytes_ = 0;
  uint64_t descs_ = 0, infos_ = 0, data_ = 0, head_id_ = 0, tail_id_ = 0;
};

}  // namespace

LogTotals read_kernel_log(KernelMemory& memory, const VmcoreInfo& info,
                          const std::function<void(const LogRecord&)>& visit) {
  return Ring(memory, info).visit(visit);
}

}  // namespace ferry::evidence
