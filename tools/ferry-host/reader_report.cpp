// What a process without rights says of the image that it reads.
#include "tools/ferry-host/reader_report.h"

namespace ferry::host {

std::string report_of(const SavedConfig& config) {
  std::string report;
  put_bytes(report, config.header.mandatory_flags);
  put_bytes(report, uint8_t{config.in_xl_file});
  put_bytes(report, uint8_t{config.paused});
  put_bytes(report, config.guest_pages);
  put_bytes(report, static_cast<uint32_t>(config.mark.size()));
  return report + config.mark + config.header.config;
}

std::string report_of(const Error& error) {
  std::string report(1, kReaderFailed);
  put_bytes(report, static_cast<uint32_t>(error.code()));
  put_bytes(report, int32_t{error.os_errno()});
  return report + error.what();
}

void ReaderReport::throw_if_failed() {
  const char first = get<char>();
  if (first == kReaderDone) return;
  if (first != kReaderFailed) senseless();
  const auto code = get<uint32_t>();
  const auto os_errno = get<int32_t>();
  for (const Errc known : {Errc::bad_image, Errc::unsupported, Errc::no_memory, Errc::io})
    if (code == static_cast<uint32_t>(known)) throw Error(known, std::string(rest()), os_errno);
  throw Error(Errc::internal, std::string(rest()), os_errno);
}

std::string_view ReaderReport::get(size_t size) {
  if (size > rest_.size()) senseless();
  const std::string_view bytes = rest_.substr(0, size);
  rest_.remove_prefix(size);
  return bytes;
}

SavedConfig ReaderReport::config() {
  SavedConfig config;
  config.header.mandatory_flags = get<uint32_t>();
  config.in_xl_file = get<uint8_t>() != 0;
  config.paused = get<uint8_t>() != 0;
  config.guest_pages = get<uint64_t>();
  config.mark = get(get<uint32_t>());
  config.header.config = rest();
  return config;
}

void ReaderReport::senseless() const {
  fail(Errc::internal,
       "what reads {} says what makes no sense: the file may have been made to take it over",
       what_);
}

}  // namespace ferry::host
