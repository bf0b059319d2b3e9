// A guest that arrives at a simulated host: what `xl migrate-receive` does on a real one.
#pragma once

#include <exception>
#include <thread>

#include "migrate/incoming_copy.h"
#include "migrate/receive_guest.h"
#include "sim_toolstack/lifecycle.h"

namespace ferry::sim {

class SimIncoming final : public IncomingGuest {
 public:
  // job: of a guest that is about to come, or came before.
  SimIncoming(Host& host, const Hypervisor& xen, SimLifecycle& life, const MigrationJob& job)
      : host_(host), xen_(xen), life_(life), copy_(life, job) {}
  ~SimIncoming() override;

  void begin(const v1::MigrateHello& hello) override;
  void take(std::span<const std::byte> bytes) override;
  void finish() override;
  void leave() override {}
  const std::optional<CopyNumber>& copy() const override { return copy_.known(); }
  const std::string& why() const override { return copy_.why(); }
  bool present() override { return copy_.find().has_value(); }
  std::string how_it_is() override { return copy_.how_it_is(); }
  std::string where() override { return copy_.where(); }
  void check_alone() override { copy_.check_alone(); }
  std::string same_guest() override { return copy_.same_guest(); }
  bool lives_on() override { return copy_.lives_on(); }
  bool has_run() override { return copy_.has_run(); }
  bool was_let_run() override { return copy_.was_let_run(); }
  bool run() override { return copy_.run(); }
  void discard() override;

 private:
  void end_of_stream();
  void restore(const RestoreTarget& target);

  Host& host_;
  const Hypervisor& xen_;
  SimLifecycle& life_;
  IncomingCopy copy_;
  int fds_[2] = {-1, -1};
  std::thread restorer_;
  std::exception_ptr failure_;
};

}  // namespace ferry::sim
