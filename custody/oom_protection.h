// Linux ends another process than this one when dom0's memory runs out.
#pragma once

#include <optional>

namespace ferry {

// For the process that has a suspended guest: without it nobody lets that guest go on. What it
// starts meanwhile inherits the protection.
class OomProtection {
 public:
  OomProtection() = default;
  OomProtection(OomProtection&& other) noexcept;
  OomProtection(const OomProtection&) = delete;
  OomProtection& operator=(const OomProtection&) = delete;
  ~OomProtection() { end(); }

  // As far as this process may: only root protects entirely. Does nothing the second time.
  void begin() noexcept;
  // As it was before begin().
  void end() noexcept;

 private:
  std::optional<int> before_;
};

}  // namespace ferry
