// Whether another host could take a guest: asked and answered without touching the guest.
#pragma once

#include <functional>
#include <string>

#include "migrate/link.h"
#include "xen/hypervisor.h"
#include "xen/lifecycle.h"

namespace ferry {

// What the other host has to know of the guest. Throws Error.
v1::MigrateQuestion question_about(const Hypervisor& xen, Lifecycle& life, domid_t domid);

// The other host's answer. peer: how messages call it. Throws Error(io), Error(unsupported).
v1::MigrateAnswer ask(Link& link, const v1::MigrateQuestion& question, const std::string& peer);

// This host's answer. disk, bridge: whether a disk's or file's path, or a bridge's name, is there.
struct DevicesHere {
  std::function<bool(const std::string& path)> disk;
  std::function<bool(const std::string& name)> bridge;
  // Bytes that the toolstack would take from domain 0 where the guest needs more than is free.
  std::function<uint64_t()> from_domain_0 = [] { return uint64_t{0}; };
};
v1::MigrateAnswer answer(const Hypervisor& xen, Lifecycle& life, const DevicesHere& devices,
                         const v1::MigrateQuestion& question);

}  // namespace ferry
