// The kernel's own table of its symbols.
//
//   names     | length | token … | length | token … |     length: a byte, or two of 7 bits each,
//             the lower first, if the first one's highest bit is set
//   tokens    | text 0 | text 0 | … |     each at token_index[token], of 16 bits
//   offsets   | 32 bits each |
//
// A name's tokens make up a letter for its kind and then the name itself. An address is
// relative_base + offset, or, where addresses of per-CPU variables are absolute, relative_base - 1
// - offset for offsets below 0.
#include "evidence/kallsyms.h"

#include <array>
#include <cstring>

namespace ferry::evidence {
namespace {

constexpr uint32_t kMostSymbols = 1u << 20;
constexpr size_t kTokens = 256;
constexpr size_t kMostTokenText = 16u << 10;
constexpr size_t kLongestName = 1024;
// Where the kernel's image is mapped. Nothing that a process made lies there.
constexpr uint64_t kKernelImage = 0xffff'ffff'8000'0000;

class Table {
 public:
  Table(KernelMemory& memory, const VmcoreInfo& info) : memory_(memory), info_(info) {}

  // False if there is none.
  bool open();
  void find(const std::vector<std::string>& names, std::map<std::string, uint64_t>& found);

 private:
  std::optional<uint64_t> place(const char* name) const;
  bool read_tokens(uint64_t texts, uint64_t index);
  std::optional<uint8_t> next_byte();
  // The next name without the letter for its kind. Nothing at the end of what can be read.
  std::optional<std::string_view> next_name();
  std::optional<uint64_t> address(uint32_t symbol);

  KernelMemory& memory_;
  const VmcoreInfo& info_;
  uint32_t symbols_ = 0;
  uint64_t offsets_ = 0, relative_base_ = 0;
  std::array<std::string, kTokens> tokens_;
  uint64_t at_ = 0;  // of the names: the next byte to load
  std::array<std::byte, 4096> buffer_{};
  size_t used_ = 0, loaded_ = 0;
  std::string name_;
};

std::optional<uint64_t> Table::place(const char* name) const {
  const std::optional<uint64_t> address = info_.symbol(name);
  return address && *address >= kKernelImage ? address : std::nullopt;
}

bool Table::open() {
  const auto names = place("kallsyms_names"), many = place("kallsyms_num_syms"),
             texts = place("kallsyms_token_table"), index = place("kallsyms_token_index"),
             offsets = place("kallsyms_offsets"), base = place("kallsyms_relative_base");
  if (!names || !many || !texts || !index || !offsets || !base) return false;
  const auto symbols = memory_.u32(*many);
  const auto relative_base = memory_.u64(*base);
  if (!symbols || !relative_base || *symbols > kMostSymbols) return false;
  symbols_ = *symbols;
  relative_base_ = *relative_base;
  offsets_ = *offsets;
  at_ = *names;
  return read_tokens(*texts, *index);
}

bool Table::read_tokens(uint64_t texts, uint64_t index) {
  std::array<uint16_t, kTokens> at;
  if (!memory_.read(index, std::as_writable_bytes(std::span(at)))) return false;
  std::string all(at.back() + 256u, '\0');
  if (all.size() > kMostTokenText) return false;
  // The table ends where its last text does, perhaps before this.
  if (!memory_.read(texts, std::as_writable_bytes(std::span(all)))) return false;
  for (size_t i = 0; i < kTokens; ++i) {
    if (at[i] >= all.size()) return false;
    tokens_[i] = all.c_str() + at[i];
  }
  return true;
}

std::optional<uint8_t> Table::next_byte() {
  if (used_ == loaded_) {
    used_ = 0;
    loaded_ = buffer_.size() - at_ % buffer_.size();
    if (!memory_.read(at_, std::span(buffer_).first(loaded_))) return std::nullopt;
    at_ += loaded_;
  }
  return static_cast<uint8_t>(buffer_[used_++]);
}

std::optional<std::string_view> Table::next_name() {
  const auto low = next_byte();
  if (!low) return std::nullopt;
  unsigned length = *low;
  if ((length & 0x80) != 0) {
    const auto high = next_byte();
    if (!high) return std::nullopt;
    length = (length & 0x7f) | unsigned{*high} << 7;
  }
  name_.clear();
  for (; length != 0; --length) {
    const auto token = next_byte();
    if (!token) return std::nullopt;
    if (name_.size() < kLongestName) name_ += tokens_[*token];
  }
  return std::string_view(name_).substr(name_.empty() ? 0 : 1);
}

std::optional<uint64_t> Table::address(uint32_t symbol) {
  const auto raw = memory_.u32(offsets_ + symbol * sizeof(uint32_t));
  if (!raw) return std::nullopt;
  const auto offset = static_cast<int32_t>(*raw);
  return offset < 0 ? relative_base_ - 1 - static_cast<uint64_t>(static_cast<int64_t>(offset))
                    : relative_base_ + *raw;
}

void Table::find(const std::vector<std::string>& names, std::map<std::string, uint64_t>& found) {
  std::vector<std::pair<const std::string*, uint32_t>> seen;
  for (uint32_t i = 0; i < symbols_ && seen.size() < names.size(); ++i) {
    const auto name = next_name();
    if (!name) break;
    for (const std::string& wanted : names)
      if (*name == wanted) seen.emplace_back(&wanted, i);
  }
  for (const auto& [name, i] : seen)
    if (const auto at = address(i)) found.try_emplace(*name, *at);
}

}  // namespace

std::map<std::string, uint64_t> find_symbols(KernelMemory& memory, const VmcoreInfo& info,
                                             const std::vector<std::string>& names) {
  std::map<std::string, uint64_t> found;
  Table table(memory, info);
  if (table.open()) table.find(names, found);
  return found;
}

}  // namespace ferry::evidence
