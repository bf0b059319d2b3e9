// What something in a process without rights has to say, as bytes; what it throws is thrown here.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace ferry::host {

// Runs body in a process without rights (sandbox/confined_process.h). what: that it reads, of so
// many bytes. This process has one thread, and nothing of Xen open. Throws what body throws
// (tools/ferry-host/reader_report.h), Error(internal) for what makes no sense.
std::string say_confined(const std::string& what, uint64_t bytes,
                         const std::function<std::string()>& body);

}  // namespace ferry::host
