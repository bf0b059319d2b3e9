// The simulated kernel's variables as bytes, to be kept in the guest's own memory.
//
// Writer and reader are visitors of the same list of members (visit_state): plain values go byte by
// byte, vectors and maps with their number of elements first.
#pragma once

#include <cstdint>
#include <cstring>
#include <map>
#include <type_traits>
#include <vector>

#include "error/error.h"

namespace ferry::sim {

class StateWriter {
 public:
  template <typename T>
  void operator()(const T& value) {
    static_assert(std::is_trivially_copyable_v<T> && !std::is_pointer_v<T>);
    const auto* from = reinterpret_cast<const uint8_t*>(&value);
    bytes_.insert(bytes_.end(), from, from + sizeof value);
  }
  template <typename T>
  void operator()(const std::vector<T>& values) {
    (*this)(uint64_t{values.size()});
    for (const T& value : values) (*this)(value);
  }
  template <typename K, typename V>
  void operator()(const std::map<K, V>& values) {
    (*this)(uint64_t{values.size()});
    for (const auto& [key, value] : values) (*this)(key), (*this)(value);
  }
  const std::vector<uint8_t>& bytes() const { return bytes_; }

 private:
  std::vector<uint8_t> bytes_;
};

// Throws ferry::Error when the bytes end too early or name more elements than there can be.
class StateReader {
 public:
  explicit StateReader(std::vector<uint8_t> bytes) : bytes_(std::move(bytes)) {}

  template <typename T>
  void operator()(T& value) {
    static_assert(std::is_trivially_copyable_v<T> && !std::is_pointer_v<T>);
    if (bytes_.size() - at_ < sizeof value) fail(Errc::guest, "the kernel's variables are cut off");
    memcpy(static_cast<void*>(&value), bytes_.data() + at_, sizeof value);
    at_ += sizeof value;
  }
  template <typename T>
  void operator()(std::vector<T>& values) {
    values.assign(count(), T{});
    for (T& value : values) (*this)(value);
  }
  template <typename K, typename V>
  void operator()(std::map<K, V>& values) {
    values.clear();
    for (uint64_t left = count(); left > 0; --left) {
      K key{};
      (*this)(key);
      (*this)(values[key]);
    }
  }

 private:
  uint64_t count() {
    uint64_t n = 0;
    (*this)(n);
    if (n > bytes_.size() - at_) fail(Errc::guest, "the kernel's variables make no sense");
    return n;
  }

  std::vector<uint8_t> bytes_;
  size_t at_ = 0;
};

}  // namespace ferry::sim
