// Linux ends another process than this one when dom0's memory runs out.
#include "custody/oom_protection.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <utility>

#include "io/descriptor.h"

namespace ferry {
namespace {

constexpr char kFile[] = "/proc/self/oom_score_adj";
constexpr int kNever = -1000;
constexpr int kOrdinary = 0;  // what a process that may not go below can take back

std::optional<int> read_score() {
  const Descriptor file(open(kFile, O_RDONLY | O_CLOEXEC));
  char text[16] = {};
  if (!file || read(file.get(), text, sizeof text - 1) <= 0) return std::nullopt;
  return std::atoi(text);
}

bool write_score(int score) {
  const Descriptor file(open(kFile, O_WRONLY | O_CLOEXEC));
  const std::string text = std::to_string(score);
  return file && write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

}  // namespace

OomProtection::OomProtection(OomProtection&& other) noexcept
    : before_(std::exchange(other.before_, std::nullopt)) {
}

void OomProtection::begin() noexcept {
  if (before_) return;
  const auto now = read_score();
  if (!now) return;
  for (const int score : {kNever, kOrdinary}) {
    if (score >= *now || !write_score(score)) continue;
    before_ = now;
    return;
  }
}

void OomProtection::end() noexcept {
  if (before_) write_score(*before_);
  before_.reset();
}

}  // namespace ferry
