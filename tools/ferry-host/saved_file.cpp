// The file of a saved guest that is to be restored.
//
// What the process without rights reports:
//   | '+' | offset 8 | bytes 8 | xl flags 4 | in an xl file 1 | length of the mark 4 | mark |
//   configuration | | '-' | code 4 | errno 4 | sentence |
#include "tools/ferry-host/saved_file.h"

#include <cstring>
#include <functional>

#include "audit/audit.h"
#include "error/error.h"
#include "pipeline/pipeline.h"
#include "proto/image_file.h"
#include "proto/record_reader.h"
#include "sandbox/confined_process.h"

namespace ferry::host {
namespace {

constexpr char kDone = '+', kFailed = '-';
constexpr size_t kMostReport = 8 << 20;  // a configuration is in a record, of 6 MiB at most

template <typename T>
void put(std::string& report, const T& value) {
  report.append(reinterpret_cast<const char*>(&value), sizeof value);
}

// A report, every length checked.
class Report {
 public:
  Report(std::string_view text, const std::string& path) : rest_(text), path_(path) {}

  template <typename T>
  T get() {
    T value;
    std::memcpy(&value, get(sizeof value).data(), sizeof value);
    return value;
  }
  std::string_view get(size_t size) {
    if (size > rest_.size()) senseless();
    const std::string_view bytes = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return bytes;
  }
  std::string_view rest() { return get(rest_.size()); }
  [[noreturn]] void senseless() const {
    fail(Errc::internal,
         "what reads {} says what makes no sense: the file may have been made to take it over",
         path_);
  }

 private:
  std::string_view rest_;
  const std::string& path_;
};

std::string report_of(const Error& error) {
  std::string report(1, kFailed);
  put(report, static_cast<uint32_t>(error.code()));
  put(report, int32_t{error.os_errno()});
  return report + error.what();
}

// What the body says behind kDone. Throws what it threw.
std::string say_confined(const InputFile& file, const std::function<std::string()>& body) {
  const auto run = [&](const sandbox::Confinement&) {
    try {
      return sandbox::Done{Exit::done, kDone + body()};
    } catch (const Error& error) {
      return sandbox::Done{Exit::done, report_of(error)};
    }
  };
  const sandbox::Done done =
      sandbox::run_confined({.program = "ferry",
                             .what = file.path(),
                             .limits = sandbox::limits_for(file.size()),
                             .longest_report = kMostReport,
                             .way_out = "sandbox = no in ferry.conf runs it without these limits"},
                            run);
  Report report(done.report, file.path());
  const char first = report.get<char>();
  if (done.exit != Exit::done || (first != kDone && first != kFailed)) report.senseless();
  if (first == kDone) return std::string(report.rest());
  const auto code = report.get<uint32_t>();
  const auto os_errno = report.get<int32_t>();
  for (const Errc known : {Errc::bad_image, Errc::unsupported, Errc::no_memory, Errc::io})
    if (code == static_cast<uint32_t>(known))
      throw Error(known, std::string(report.rest()), os_errno);
  throw Error(Errc::internal, std::string(report.rest()), os_errno);
}

std::string describe(const InputFile& file) {
  const ImageFile image = ImageFile::open(file);
  check_head(image.head());
  const SavedConfig config = saved_config(image);
  std::string report;
  put(report, image.place().offset);
  put(report, image.place().bytes);
  put(report, config.header.mandatory_flags);
  put(report, uint8_t{config.in_xl_file});
  put(report, static_cast<uint32_t>(config.mark.size()));
  return report + config.mark + config.header.config;
}

// The first error that an audit finds; "" if it finds none.
std::string first_fault(const InputFile& file) {
  const auto executor = make_thread_executor(1);
  const audit::Result result = audit::run(ImageFile::open(file), {}, *executor);
  if (result.clean()) return {};
  for (const audit::Finding& finding : result.findings.kept())
    if (finding.rule->severity == audit::Severity::error)
      return fmt::format("the image is bad: {} (ferry audit shows all that is wrong)",
                         finding.sentence);
  return "the image is bad; ferry audit shows what is wrong";
}

}  // namespace

SavedConfig SavedFile::read() {
  const auto body = [this] { return describe(file_); };
  const std::string said = confined_ ? say_confined(file_, body) : body();
  Report report(said, file_.path());
  SavedConfig config;
  offset_ = report.get<uint64_t>();
  bytes_ = report.get<uint64_t>();
  config.header.mandatory_flags = report.get<uint32_t>();
  config.in_xl_file = report.get<uint8_t>() != 0;
  config.mark = report.get(report.get<uint32_t>());
  config.header.config = report.rest();
  if (offset_ > file_.size() || bytes_ > file_.size() - offset_) report.senseless();
  return config;
}

void SavedFile::blame() const {
  const auto body = [this] { return first_fault(file_); };
  const std::string fault = confined_ ? say_confined(file_, body) : body();
  if (!fault.empty()) throw Error(Errc::bad_image, fault);
}

}  // namespace ferry::host
