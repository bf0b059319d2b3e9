// What something in a process without rights has to say.
#include "tools/ferry-host/say_confined.h"

#include "error/error.h"
#include "sandbox/confined_process.h"
#include "tools/ferry-host/reader_report.h"

namespace ferry::host {
namespace {

constexpr size_t kMostReport = 8 << 20;  // a configuration is in a record, of 6 MiB at most

}  // namespace

std::string say_confined(const std::string& what, uint64_t bytes,
                         const std::function<std::string()>& body) {
  const auto run = [&](const sandbox::Confinement&) {
    try {
      return sandbox::Done{Exit::done, kReaderDone + body()};
    } catch (const Error& error) {
      return sandbox::Done{Exit::done, report_of(error)};
    }
  };
  const sandbox::Done done =
      sandbox::run_confined({.program = "ferry",
                             .what = what,
                             .limits = sandbox::limits_for(bytes),
                             .longest_report = kMostReport,
                             .way_out = "sandbox = no in ferry.conf runs it without these limits"},
                            run);
  ReaderReport report(done.report, what);
  if (done.exit != Exit::done) report.senseless();
  report.throw_if_failed();
  return std::string(report.rest());
}

}  // namespace ferry::host
