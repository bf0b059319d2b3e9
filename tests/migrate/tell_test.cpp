// What the destination says at the end of a job names the host that a command is for.
#include <gtest/gtest.h>

#include "error/error.h"
#include "host/receive_job.h"

namespace ferry::host {
namespace {

std::string said(Received what, std::vector<std::string> names) {
  ReceiveReport report;
  report.what = what;
  report.job.id = std::string(32, '5');
  report.job.name = "web1";
  report.job.peer.names = std::move(names);
  try {
    tell(report);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::needs_operator);
    return e.what();
  }
  ADD_FAILURE() << "nothing is for the operator";
  return {};
}

TEST(Tell, regression_names_the_source_that_settles_the_job) {
  const std::string command = ", try: ferry job resume " + std::string(32, '5');
  for (const Received what : {Received::held, Received::unknown}) {
    const std::string of_host = said(what, {"host1.example", "host1"});
    EXPECT_NE(of_host.find("on the source, host1.example" + command), std::string::npos) << of_host;
    const std::string over_command = said(what, {});
    EXPECT_NE(over_command.find("on the source" + command), std::string::npos) << over_command;
  }
}

}  // namespace
}  // namespace ferry::host
