// Runs ferry-save-helper as a child and plays libxl's part in the conversation, so that there is
// one engine, whoever starts it.
#pragma once

#include <string>

#include "custody/save_engine.h"

namespace ferry::host {

// A SaveEngine (custody/save_engine.h). Saves the domain into fd, which is synced if it is a file.
// While it runs, SIGINT, SIGTERM and SIGHUP stop the child, and with it the save. Throws Error with
// what the child said, or saying how it died.
void run_save_engine(domid_t domid, int fd, const EngineOptions& options,
                     const EngineCallbacks& callbacks);

// bin/ferry-save-helper next to this program's libexec folder, or the place save_helper
// (settings/places.h).
std::string helper_path();
// What an xl that ferry starts needs to use it, whatever others' xl uses.
std::vector<std::string> environment_of_xl();

}  // namespace ferry::host
