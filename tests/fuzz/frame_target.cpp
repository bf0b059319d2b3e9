// What the other host of a migration says, and what the process without rights that decodes it
// makes of that:
//
//   | 0: encoded, as it comes; else in plain form | frames … |
#include <cstdlib>
#include <optional>

#include "error/error.h"
#include "migrate/link.h"
#include "migrate/plain_frame.h"
#include "tests/fuzz/targets.h"

namespace ferry::fuzz {
namespace {

// Whoever sends what makes no sense is told in an Error(io), and nothing else happens.
template <typename Step>
auto or_broken(Step step) -> decltype(step()) {
  try {
    return step();
  } catch (const Error& error) {
    if (error.code() != Errc::io) std::abort();
    return {};
  }
}

std::optional<v1::MigrateFrame> handed_on(const v1::MigrateFrame& frame) {
  MemorySink sink;
  write_plain(frame, sink);
  MemorySource source(sink.bytes());
  MemorySink nothing;
  Link link(source, nothing);
  link.read_plain_form();
  return link.receive();
}

}  // namespace

void frames(Input input) {
  if (input.empty()) return;
  const bool plain = input.front() != std::byte{0};
  MemorySource source(input.subspan(1));
  MemorySink sink;
  Link link(source, sink);
  if (plain) link.read_plain_form();
  while (const auto frame = or_broken([&] { return link.receive(); })) {
    handover_in(*frame);
    const auto again = or_broken([&] { return handed_on(*frame); });
    // What was believed once is believed again, and is the same.
    if (plain && (!again || again->SerializeAsString() != frame->SerializeAsString())) std::abort();
  }
}

}  // namespace ferry::fuzz
