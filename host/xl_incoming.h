// A guest that arrives at this host, through xl: its migrate-receive makes the domain with our
// helper, so that name, devices and the daemon that watches it are xl's.
#pragma once

#include <memory>

#include "host/child.h"
#include "migrate/incoming_copy.h"
#include "migrate/receive_guest.h"
#include "xen/lifecycle.h"

namespace ferry::host {

class XlIncoming final : public IncomingGuest {
 public:
  // job: of a guest that is about to come, or came before.
  XlIncoming(Lifecycle& life, const MigrationJob& job);

  void begin(const v1::MigrateHello& hello) override;
  void take(std::span<const std::byte> bytes) override;
  void finish() override;
  void leave() override;
  const std::optional<CopyNumber>& copy() const override { return number_; }
  const std::string& why() const override { return copy_.why(); }
  bool present() override;
  std::string how_it_is() override { return copy_.how_it_is(); }
  std::string where() override { return copy_.where(); }
  void check_alone() override { copy_.check_alone(); }
  std::string same_guest() override { return copy_.same_guest(); }
  bool lives_on() override { return copy_.lives_on(); }
  bool has_run() override { return copy_.has_run(); }
  bool was_let_run() override { return copy_.was_let_run(); }
  bool run() override;
  void discard() override;

 private:
  void look();
  void wait_for_domain();
  bool expect(std::string_view words);
  void end_xl();
  void end_left_over_xl();
  [[noreturn]] void fail_as_xl() const;

  IncomingCopy copy_;
  std::optional<CopyNumber> number_;  // copy_'s, and which xl made it
  std::string name_;
  std::unique_ptr<Child> xl_;  // none for a guest that came before this program started
  bool xl_may_live_ = true;    // one that an earlier program started
};

}  // namespace ferry::host
