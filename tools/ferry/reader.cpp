// How the image commands read.
#include "tools/ferry/reader.h"

namespace ferry {

void add_no_sandbox(CLI::App& command, bool& no_sandbox) {
  command.add_flag("--no-sandbox", no_sandbox,
                   "For debugging: read in this process, with all the rights of its user");
}

sandbox::Done read_confined(const InputFile& file, bool no_sandbox,
                            const std::function<sandbox::Done(const sandbox::Confinement&)>& body) {
  return sandbox::run_confined({.program = "ferry",
                                .what = file.path(),
                                .limits = sandbox::limits_for(file.size()),
                                .no_sandbox = no_sandbox},
                               body);
}

Exit print_confined(const InputFile& file, bool no_sandbox, const std::function<void()>& body) {
  return read_confined(file, no_sandbox,
                       [&](const sandbox::Confinement&) {
                         body();
                         return sandbox::Done{};
                       })
      .exit;
}

nlohmann::ordered_json sandbox_as_json(const sandbox::Confinement& confinement) {
  return sandbox::names_of(confinement);
}

}  // namespace ferry
