// How a kernel says that its structures are laid out: BTF.
//
//   header  | magic 2: eb9f | version 1 | flags 1 | header bytes 4 | types at 4, bytes 4 |
//           | texts at 4, bytes 4 |            both count from the header's end
//   type    | name 4 | info 4: kind << 24 | count | size or type 4 | more, by kind … |
//   array   | element type 4 | index type 4 | count 4 |
//   member  | name 4 | type 4 | offset in bits 4 |        of a structure or union, `count` of them;
//                                                         bit 31 of info: | bits 8 | offset 24 |
#include "evidence/btf.h"

#include <algorithm>

#include "audit/layout.h"
#include "error/error.h"

namespace ferry::evidence {
namespace {

constexpr uint64_t kMostBytes = 24u << 20;  // kernels have some 5 MiB
constexpr size_t kLeastHeader = 24, kTypeBytes = 12, kMemberBytes = 12;
constexpr unsigned kDeepest = 16;

enum Kind : unsigned {
  kInt = 1,
  kArray = 3,
  kStruct = 4,
  kUnion = 5,
  kEnum = 6,
  kTypedef = 8,
  kVolatile = 9,
  kConst = 10,
  kRestrict = 11,
  kFuncProto = 13,
  kVar = 14,
  kDatasec = 15,
  kDeclTag = 17,
  kTypeTag = 18,
  kEnum64 = 19,
};

// Bytes that follow the 12 of a type.
size_t more_bytes(unsigned kind, size_t count) {
  switch (kind) {
    case kInt:
    case kVar:
    case kDeclTag:
      return 4;
    case kArray:
      return 12;
    case kStruct:
    case kUnion:
    case kDatasec:
    case kEnum64:
      return count * 12;
    case kEnum:
    case kFuncProto:
      return count * 8;
    default:
      return 0;
  }
}

}  // namespace

Btf::Btf(KernelMemory& memory, uint64_t start, uint64_t stop) {
  const auto senseless = [](const char* what) {
    fail(Errc::bad_image, "the kernel's BTF makes no sense: {}", what);
  };
  if (stop <= start || stop - start > kMostBytes || stop - start < kLeastHeader)
    senseless("its size");
  bytes_.resize(stop - start);
  if (!memory.read(start, bytes_)) senseless("there is no memory where it should be");
  const auto word = [&](size_t at) { return audit::load_u32(bytes_, at); };
  if ((word(0) & 0xffff) != 0xeb9f) senseless("its first bytes");
  const uint64_t header = word(4), types_at = header + word(8), types_bytes = word(12);
  texts_at_ = header + word(16);
  texts_bytes_ = word(20);
  if (types_at > bytes_.size() || types_bytes > bytes_.size() - types_at ||
      texts_at_ > bytes_.size() || texts_bytes_ > bytes_.size() - texts_at_)
    senseless("its header");
  const uint64_t end = types_at + types_bytes;
  for (uint64_t at = types_at; at + kTypeBytes <= end;) {
    const uint32_t info = word(at + 4);
    types_.push_back(static_cast<uint32_t>(at));
    at += kTypeBytes + more_bytes(info >> 24 & 0x1f, info & 0xffff);
    if (at > end) senseless("its last type");
  }
}

std::optional<Btf::Type> Btf::type(uint32_t id) const {
  if (id == 0 || id > types_.size()) return std::nullopt;
  const size_t at = types_[id - 1];
  return Type{audit::load_u32(bytes_, at), audit::load_u32(bytes_, at + 4),
              audit::load_u32(bytes_, at + 8), at + kTypeBytes};
}

std::string_view Btf::text(uint32_t at) const {
  if (at >= texts_bytes_) return {};
  const auto* from = reinterpret_cast<const char*>(bytes_.data()) + texts_at_ + at;
  return {from, strnlen(from, texts_bytes_ - at)};
}

// Without typedefs and qualifiers.
uint32_t Btf::plain(uint32_t id) const {
  for (unsigned i = 0; i < kDeepest; ++i) {
    const auto at = type(id);
    if (!at) return 0;
    const unsigned kind = at->kind();
    if (kind != kTypedef && kind != kVolatile && kind != kConst && kind != kRestrict &&
        kind != kTypeTag)
      return id;
    id = at->size_or_type;
  }
  return 0;
}

uint32_t Btf::element(uint32_t id) const {
  const auto at = type(plain(id));
  if (at && at->kind() == kArray) return plain(audit::load_u32(bytes_, at->more_at));
  return plain(id);
}

uint64_t Btf::element_bytes(uint32_t id) const {
  const auto at = type(element(id));
  const bool sized = at && (at->kind() == kInt || at->kind() == kStruct || at->kind() == kUnion);
  return sized ? at->size_or_type : 0;
}

std::optional<Btf::Member> Btf::one_member(uint32_t id, std::string_view name,
                                           unsigned depth) const {
  const auto structure = type(plain(id));
  if (!structure || depth == kDeepest) return std::nullopt;
  if (structure->kind() != kStruct && structure->kind() != kUnion) return std::nullopt;
  const bool bit_fields = structure->info >> 31 != 0;
  for (unsigned i = 0; i < structure->count(); ++i) {
    const size_t at = structure->more_at + i * kMemberBytes;
    const std::string_view its_name = text(audit::load_u32(bytes_, at));
    if (!its_name.empty() && its_name != name) continue;
    const uint32_t its_type = audit::load_u32(bytes_, at + 4);
    const uint32_t place = audit::load_u32(bytes_, at + 8);
    const uint64_t offset = (bit_fields ? place & 0xffffff : place) / 8;
    if (its_name.empty()) {
      if (const auto inside = one_member(its_type, name, depth + 1))
        return Member{offset + inside->offset, inside->type};
    } else if (!bit_fields || place >> 24 == 0) {
      return Member{offset, its_type};
    }
  }
  return std::nullopt;
}

std::optional<Btf::Member> Btf::member_of(uint32_t id, std::string_view path) const {
  Member found{0, id};
  while (true) {
    const size_t dot = path.find('.');
    const auto next = one_member(found.type, path.substr(0, dot), 0);
    if (!next) return std::nullopt;
    found = {found.offset + next->offset, next->type};
    if (dot == path.npos) return found;
    path.remove_prefix(dot + 1);
  }
}

std::optional<Btf::Member> Btf::member(std::string_view structure, std::string_view path) const {
  for (uint32_t id = 1; id <= types_.size(); ++id) {
    const auto at = type(id);
    if (at->kind() == kStruct && text(at->name) == structure) return member_of(id, path);
  }
  return std::nullopt;
}

}  // namespace ferry::evidence
