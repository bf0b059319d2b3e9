// The file of a saved guest that is to be restored. What the process without rights reports of the
// file is drawn in reader_report.h, with | offset 8 | bytes 8 | of the image in front.
#include "tools/ferry-host/saved_file.h"

#include "audit/audit.h"
#include "error/error.h"
#include "pipeline/pipeline.h"
#include "proto/image_file.h"
#include "proto/record_reader.h"
#include "tools/ferry-host/reader_report.h"
#include "tools/ferry-host/say_confined.h"

namespace ferry::host {
namespace {

std::string describe(const InputFile& file) {
  const ImageFile image = ImageFile::open(file);
  check_head(image.head());
  const SavedConfig config = saved_config(image);
  std::string report;
  put_bytes(report, image.place().offset);
  put_bytes(report, image.place().bytes);
  return report + report_of(config);
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
  const std::string said = confined_ ? say_confined(file_.path(), file_.size(), body) : body();
  ReaderReport report(said, file_.path());
  offset_ = report.get<uint64_t>();
  bytes_ = report.get<uint64_t>();
  if (offset_ > file_.size() || bytes_ > file_.size() - offset_) report.senseless();
  return report.config();
}

void SavedFile::blame() const {
  const auto body = [this] { return first_fault(file_); };
  const std::string fault = confined_ ? say_confined(file_.path(), file_.size(), body) : body();
  if (!fault.empty()) throw Error(Errc::bad_image, fault);
}

}  // namespace ferry::host
