// How the image commands read: in a process without rights, unless they are told otherwise.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>

#include "command_line/command.h"
#include "delta/image_files.h"
#include "sandbox/confined_process.h"
#include "tools/ferry/guest_source.h"

namespace ferry {

// --no-sandbox.
void add_no_sandbox(Command command, bool& no_sandbox);
// --base, for images that are deltas.
void add_bases(Command command, std::vector<std::string>& bases);

// Runs body on the files in a confined process (sandbox/confined_process.h). Throws as
// run_confined() does.
sandbox::Done read_confined(const delta::ImageFiles& file, bool no_sandbox,
                            const std::function<sandbox::Done(const sandbox::Confinement&)>& body);
sandbox::Done read_confined(const GuestSource& guest, bool no_sandbox,
                            const std::function<sandbox::Done(const sandbox::Confinement&)>& body);
// The same for a body that prints what it has to say.
Exit print_confined(const delta::ImageFiles& file, bool no_sandbox,
                    const std::function<void()>& body);
Exit print_confined(const GuestSource& guest, bool no_sandbox, const std::function<void()>& body);

// The names of what held the process that read, for --json.
nlohmann::ordered_json sandbox_as_json(const sandbox::Confinement& confinement);

}  // namespace ferry
