// The copies of one guest on two hosts, and its disk.
#include "tests/pairs/guest_copies.h"

#include <cstring>

#include <fmt/format.h>

#include "error/error.h"
#include "sim/kernel/sim_kernel.h"
#include "sim/machine/domains.h"
#include "sim/machine/guest_turn.h"

namespace ferry::pairs {
namespace {

using sim::Domain;
using sim::Host;
using sim::HostLock;

constexpr unsigned kSteps = 3;

template <typename Visit>
void for_each_domain(Host& host, Visit visit) {
  const HostLock lock(host);
  for (unsigned slot = 0; slot < sim::kMaxDomains; ++slot) {
    Domain& d = host.state().domains[slot];
    if (host.state().domids[slot] != sim::kNoDomain && d.domid != 0 && !d.dying) visit(d);
  }
}

GuestCopy describe(char host, const Domain& d) {
  GuestCopy copy;
  copy.host = host;
  copy.domid = d.domid;
  copy.name = d.name;
  copy.complete = d.vcpus[0].initialised && !d.vcpus[0].down;
  copy.suspended = d.shutdown;
  copy.runs = copy.complete && runnable(d);
  return copy;
}

}  // namespace

void GuestOnDisk::adopt(const std::string& name) {
  const auto host = Host::open_file(path('a'));
  uint16_t domid = 0;
  for_each_domain(*host, [&](const Domain& d) {
    if (name != d.name) return;
    domid = d.domid;
    memcpy(uuid_.data(), d.handle, uuid_.size());
  });
  disk_ = sim::SimKernel::attach(*host, domid)->ticks();
}

std::vector<GuestCopy> GuestOnDisk::copies() const {
  std::vector<GuestCopy> all;
  for (const char name : {'a', 'b'}) {
    const auto host = Host::open_file(path(name));
    for_each_domain(*host, [&](const Domain& d) {
      if (memcmp(d.handle, uuid_.data(), uuid_.size()) == 0) all.push_back(describe(name, d));
    });
  }
  return all;
}

std::string GuestOnDisk::run_copy(const GuestCopy& copy) {
  const std::string who =
      fmt::format("domain {} ({}) of host {}", copy.domid, copy.name, copy.host);
  try {
    const auto host = Host::open_file(path(copy.host));
    const sim::GuestTurn turn(*host);
    const auto kernel = sim::SimKernel::attach(*host, copy.domid);
    const uint64_t memory = kernel->ticks();
    if (memory != disk_)
      return fmt::format("{} runs with memory of step {}, and its disk is at step {}", who, memory,
                         disk_);
    (copy.host == 'a' ? ran_on_a_ : ran_on_b_) = true;
    kernel->run(kSteps);
    disk_ = kernel->ticks();
    const std::vector<std::string> wrong = kernel->check_memory();
    if (!wrong.empty()) return fmt::format("{}: {}", who, wrong.front());
  } catch (const std::exception& e) {
    return fmt::format("{} crashed: {}", who, e.what());
  }
  return "";
}

std::string GuestOnDisk::let_run() {
  unsigned running = 0;
  for (const GuestCopy& copy : copies()) {
    if (!copy.runs) continue;
    if (++running == 2) return "two copies of the guest run";
    if (const std::string wrong = run_copy(copy); !wrong.empty()) return wrong;
  }
  return "";
}

void GuestOnDisk::unpause(const GuestCopy& copy) const {
  const auto host = Host::open_file(path(copy.host));
  const HostLock lock(*host);
  Domain* d = host->find_domain(copy.domid);
  while (d && d->pause_count) sim::unpause_domain(*d);
}

void GuestOnDisk::destroy(const GuestCopy& copy) const {
  const auto host = Host::open_file(path(copy.host));
  const HostLock lock(*host);
  if (Domain* d = host->find_domain(copy.domid)) sim::kill_domain(*host, *d);
}

}  // namespace ferry::pairs
