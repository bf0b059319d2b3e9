// How the image commands read.
#include "tools/ferry/reader.h"

namespace ferry {

void add_no_sandbox(Command command, bool& no_sandbox) {
  command.add_flag("--no-sandbox", no_sandbox,
                   "For debugging: read in this process, with all the rights of its user");
}

void add_bases(Command command, std::vector<std::string>& bases) {
  command
      .add_option(
          "--base", bases,
          "Of a delta: what it was saved against, or the folder that has it; again for each "
          "further link, the oldest first")
      .type_name("FILE")
      .one_value();
}

namespace {

sandbox::Confined how_to_read(const std::string& what, uint64_t bytes, bool no_sandbox) {
  return {.program = "ferry",
          .what = what,
          .limits = sandbox::limits_for(bytes),
          .no_sandbox = no_sandbox};
}

Exit print_as(const sandbox::Confined& how, const std::function<void()>& body) {
  return sandbox::run_confined(how,
                               [&](const sandbox::Confinement&) {
                                 body();
                                 return sandbox::Done{};
                               })
      .exit;
}

}  // namespace

sandbox::Done read_confined(const delta::ImageFiles& file, bool no_sandbox,
                            const std::function<sandbox::Done(const sandbox::Confinement&)>& body) {
  return sandbox::run_confined(how_to_read(file.path(), file.size(), no_sandbox), body);
}

sandbox::Done read_confined(const GuestSource& guest, bool no_sandbox,
                            const std::function<sandbox::Done(const sandbox::Confinement&)>& body) {
  return sandbox::run_confined(how_to_read(guest.path(), guest.size(), no_sandbox), body);
}

Exit print_confined(const delta::ImageFiles& file, bool no_sandbox,
                    const std::function<void()>& body) {
  return print_as(how_to_read(file.path(), file.size(), no_sandbox), body);
}

Exit print_confined(const GuestSource& guest, bool no_sandbox, const std::function<void()>& body) {
  return print_as(how_to_read(guest.path(), guest.size(), no_sandbox), body);
}

nlohmann::ordered_json sandbox_as_json(const sandbox::Confinement& confinement) {
  return sandbox::names_of(confinement);
}

}  // namespace ferry
