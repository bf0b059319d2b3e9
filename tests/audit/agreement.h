// Whether what a host did with an image is what the audit said of it.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "tests/audit/audit_image.h"

namespace ferry::test {

struct Judged {
  bool clean = false;
  std::optional<audit::Result> result;  // empty if it could not be opened
};

Judged judge(const Bytes& image);

struct Answer {
  bool taken = false;
  std::string sentence = {};  // the engine's, if not
  // Whether the host stumbled over the entry that the audit predicted; asked only about refusals of
  // page tables and of vCPUs.
  std::function<bool(const audit::Refusal&)> stumbled_over = {};
};

// What they disagree about, in a few words; empty if they agree. An image that is bad in ways that
// no host looks at may be taken.
std::string disagreement(const Judged& judged, const Answer& answer);

// What the audit said, in a few lines.
std::string in_lines(const Judged& judged);

}  // namespace ferry::test
