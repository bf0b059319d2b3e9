// What a save helper and libxl say to each other, as libxl 4.17 numbers and packs it.
//
//   helper to libxl   | u16 length | u16 message | arguments, packed, native byte order |
//   libxl to helper   | i32 reply |, only after messages that ask for one
//
// u32 and int take 4 bytes, u64 8, a string a u32 length (with its NUL) and its bytes.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ferry::helper {

enum class Message : uint16_t {
  log = 1,               // u32 level, u32 errno or ~0, string context, string text
  progress = 2,          // string context, string what, u64 done, u64 total
  suspend = 3,           // reply: 1 the guest was asked and answered, 0 it was not suspended
  static_data_done = 8,  // u32 missing parts of the CPU policy; reply: 0 or an error
  restore_results = 9,   // u64 xenstore ring mfn, u64 console ring mfn
  complete = 10,         // int retval, int errno; reply: 0
};

// xentoollog's levels.
enum class Level : uint32_t { debug = 1, progress = 4, info = 5, notice = 6, warn = 7, error = 8 };

inline constexpr size_t kMaxMessage = 65535;  // the length field's limit
inline constexpr uint32_t kMissingCpuid = 1;
inline constexpr uint32_t kMissingMsrs = 2;

}  // namespace ferry::helper
