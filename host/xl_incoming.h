// A guest that arrives at this host, through xl: its migrate-receive makes the domain with our
// helper, so that name, devices and the daemon that watches it are xl's.
#pragma once

#include <memory>

#include "host/child.h"
#include "migrate/receive_guest.h"
#include "xen/lifecycle.h"

namespace ferry::host {

class XlIncoming final : public IncomingGuest {
 public:
  XlIncoming(Lifecycle& life, std::string name) : life_(life), name_(std::move(name)) {}

  void begin(const v1::MigrateHello& hello) override;
  void take(std::span<const std::byte> bytes) override;
  void finish() override;
  void leave() override;
  bool present() override { return find_incoming().has_value(); }
  void run() override;
  void discard() override;

 private:
  std::optional<domid_t> find_incoming();
  void expect(std::string_view words);
  [[noreturn]] void fail_as_xl() const;

  Lifecycle& life_;
  std::string name_;
  std::unique_ptr<Child> xl_;  // none for a guest that came before this program started
  bool ran_ = false;
};

}  // namespace ferry::host
