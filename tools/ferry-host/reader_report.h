// What a process without rights says of the image that it reads for ferry restore:
//
//   | '+' | … | xl flags 4 | in an xl file 1 | paused 1 | pages 8 | length of the mark 4 | mark |
//   configuration |
//   | '-' | code 4 | errno 4 | sentence |
//
// As whoever has taken that process over would have it, too, if somebody could: every length is
// checked.
#pragma once

#include <cstring>
#include <string>
#include <string_view>

#include "config/config_record.h"
#include "error/error.h"

namespace ferry::host {

inline constexpr char kReaderDone = '+', kReaderFailed = '-';

template <typename T>
void put_bytes(std::string& report, const T& value) {
  report.append(reinterpret_cast<const char*>(&value), sizeof value);
}
std::string report_of(const SavedConfig& config);  // without the '+'
std::string report_of(const Error& error);

class ReaderReport {
 public:
  // what: that is read, for sentences. Both outlive this.
  ReaderReport(std::string_view text, const std::string& what) : rest_(text), what_(what) {}

  // Takes the first byte. Throws what was reported.
  void throw_if_failed();

  template <typename T>
  T get() {
    T value;
    std::memcpy(&value, get(sizeof value).data(), sizeof value);
    return value;
  }
  std::string_view get(size_t size);
  std::string_view rest() { return get(rest_.size()); }
  SavedConfig config();  // all the rest

  [[noreturn]] void senseless() const;

 private:
  std::string_view rest_;
  const std::string& what_;
};

}  // namespace ferry::host
