// The life of domains on a simulated host.
#include "sim_toolstack/lifecycle.h"

#include <charconv>
#include <cstring>

#include <nlohmann/json.hpp>

#include "config/json_text.h"
#include "config/libxl_json.h"
#include "config/memory_target.h"
#include "error/error.h"
#include "sim/machine/hypercall.h"
#include "sim/seam/points.h"
#include "xen/domain.h"
#include "xen/uuid.h"

namespace ferry::sim {

namespace {

using Json = nlohmann::ordered_json;

// How often a toolstack looks whether the guest has suspended.
constexpr unsigned kLooks = 3;

// Every domain there is, dying ones included, without asking Xen: what xenstore knows.
template <typename Visit>
void for_each_domain(Host& host, Visit visit) {
  HostLock lock(host);
  for (unsigned slot = 0; slot < kMaxDomains; ++slot) {
    Domain& d = host.state().domains[slot];
    if (host.state().domids[slot] != kNoDomain && d.domid != 0) visit(d);
  }
}

domid_t number_of(const Domain& d) {
  return domid_t{d.domid};
}

void must(int rc, std::string_view doing) {
  if (rc < 0) fail_xen(doing);
}

uint32_t new_port(const Hypervisor& xen, uint32_t domid) {
  const int port = xc_evtchn_alloc_unbound(xen.xch(), domid, 0);
  must(port, "make an event channel");
  return static_cast<uint32_t>(port);
}

// As libxl would: what is needed to make the domain again.
struct Config {
  std::string name, uuid;
  unsigned vcpus = 0;
  uint64_t target_kb = 0;
};

Config read_config(const std::string& text) {
  try {
    const Json json = require_config(text, Errc::bad_image, "the configuration");
    const Json &c = json.at("c_info"), &b = json.at("b_info");
    return {c.at("name"), c.at("uuid"), b.at("max_vcpus"), b.at("target_memkb")};
  } catch (const Json::exception&) {
    fail(Errc::bad_image, "the configuration does not describe a domain of a simulated host");
  }
}

}  // namespace

GuestHooks scratch_guests(Host& host) {
  GuestHooks hooks;
  hooks.asked_to_suspend = [&host](domid_t domid) {
    sched_shutdown_t reason{SHUTDOWN_suspend};
    const uint64_t args[5] = {SCHEDOP_shutdown, reinterpret_cast<uint64_t>(&reason), 0, 0, 0};
    hypercall(host, {static_cast<DomainNumber>(raw(domid)), 0}, __HYPERVISOR_sched_op, args);
  };
  hooks.resumed = [](domid_t) {};
  return hooks;
}

std::optional<domid_t> SimLifecycle::find_if_there(const std::string& name_or_id) {
  uint16_t number = 0;
  const char* end = name_or_id.data() + name_or_id.size();
  const auto [rest, problem] = std::from_chars(name_or_id.data(), end, number);
  const bool numeric = problem == std::errc() && rest == end;
  std::optional<domid_t> found;
  for_each_domain(host_, [&](const Domain& d) {
    if (numeric ? d.domid == number : name_or_id == d.name) found = number_of(d);
  });
  return found;
}

std::string SimLifecycle::name(domid_t domid) {
  std::string name;
  for_each_domain(host_, [&](const Domain& d) {
    if (number_of(d) == domid) name = d.name;
  });
  return name;
}

std::vector<DomainHere> SimLifecycle::with_uuid(const std::string& uuid) {
  std::vector<DomainHere> found;
  for_each_domain(host_, [&](const Domain& d) {
    if (!d.dying && uuid.size() == sizeof d.handle && !memcmp(d.handle, uuid.data(), uuid.size()))
      found.push_back({number_of(d), d.name, d.pause_count != 0, d.shutdown != 0, d.cpu_time_ns});
  });
  return found;
}

std::string SimLifecycle::config_json(domid_t domid) {
  const DomainInfo info = get_domain(xen_, domid);
  Json config = {
      {"c_info", {{"type", "pv"}, {"name", name(domid)}, {"uuid", uuid_text(info.uuid)}}},
      {"b_info",
       {{"max_vcpus", info.max_vcpu_id + 1},
        {"max_memkb", info.max_pages * (kPageSize / 1024)},
        {"target_memkb", info.nr_pages * (kPageSize / 1024)},
        {"type.pv", Json::object()}}},
  };
  return json_text(config, -1);
}

void SimLifecycle::suspend(domid_t domid) {
  guests_.asked_to_suspend(domid);
  for (unsigned look = 0; look < kLooks; ++look)
    if (get_domain(xen_, domid).suspended) return;
  fail(Errc::guest, "domain {} would not suspend", raw(domid));
}

bool SimLifecycle::withdraw_suspend(domid_t domid) {
  return !guests_.suspends_late || guests_.suspends_late(domid);
}

void SimLifecycle::resume(domid_t domid) {
  try {
    resume_fast(xen_, domid);
  } catch (const Error& e) {
    fail_to_resume(domid, e.what());
  }
  guests_.resumed(domid);
}

void SimLifecycle::resume_paused(domid_t domid) {
  try {
    pause(domid);
  } catch (const Error& e) {
    fail_to_pause(domid, e.what());
  }
  resume(domid);
}

void SimLifecycle::destroy(domid_t domid) {
  try {
    must(xc_domain_destroy(xen_.xch(), raw(domid)), "destroy the domain");
  } catch (const Error& e) {
    fail_to_destroy(domid, e.what());
  }
}

RestoreTarget SimLifecycle::create(const std::string& config_json, const std::string& name) {
  const Config config = read_config(config_json);
  xen_domctl_createdomain wanted{};
  wanted.max_vcpus = config.vcpus;
  wanted.max_evtchn_port = 1023;
  wanted.max_grant_frames = 4;
  wanted.grant_opts = 1;
  const DomainUuid uuid = uuid_of(config.uuid);
  memcpy(wanted.handle, uuid.data(), uuid.size());
  uint32_t number = 0;
  must(xc_domain_create(xen_.xch(), &number, &wanted), "create a domain");
  RestoreTarget target;
  target.domid = domid_t{static_cast<uint16_t>(number)};
  try {
    set_name(target.domid, name.empty() ? config.name : name);
    must(xc_domain_max_vcpus(xen_.xch(), number, static_cast<int>(config.vcpus)),
         "give the domain its vCPUs");
    must(xc_domain_setmaxmem(xen_.xch(), number, config.target_kb + kBeyondTargetKib),
         "limit the domain's memory");
    target.store_evtchn = new_port(xen_, number);
    target.console_evtchn = new_port(xen_, number);
  } catch (const Error&) {
    discard(target.domid);
    throw;
  }
  return target;
}

void SimLifecycle::discard(domid_t domid) {
  if (xc_domain_destroy(xen_.xch(), raw(domid)) < 0)
    fail(Errc::needs_operator,
         "domain {} is half restored, cannot run, and could not be destroyed; try: xl destroy {}",
         raw(domid), raw(domid));
}

void SimLifecycle::rename(domid_t domid, const std::string& name) {
  bool taken = false;
  for_each_domain(host_, [&](const Domain& d) {
    taken = taken || (number_of(d) != domid && !d.dying && name == d.name);
  });
  if (taken)
    fail(Errc::internal, "domain {} cannot be called {}: there is one already", raw(domid), name);
  set_name(domid, name);
}

void SimLifecycle::set_name(domid_t domid, const std::string& name) {
  if (name.empty() || name.size() >= kNameBytes)
    fail(Errc::usage, "a domain's name has 1 to {} bytes", kNameBytes - 1);
  reach_point("rename the domain");
  Domain* named = nullptr;
  bool taken = false;
  {
    HostLock lock(host_);  // looked for and given in one step, as xenstored does
    for (unsigned slot = 0; slot < kMaxDomains; ++slot) {
      Domain& d = host_.state().domains[slot];
      if (host_.state().domids[slot] == kNoDomain || d.domid == 0) continue;
      if (number_of(d) == domid)
        named = &d;
      else
        taken = taken || (!d.dying && name == d.name);
    }
    if (named && !taken) {
      memset(named->name, 0, sizeof named->name);
      memcpy(named->name, name.data(), name.size());
    }
  }
  if (!named) fail(Errc::internal, "domain {} cannot be called {}: it is gone", raw(domid), name);
  if (taken)
    fail(Errc::internal, "domain {} cannot be called {}: another one is", raw(domid), name);
}

void SimLifecycle::pause(domid_t domid) {
  must(xc_domain_pause(xen_.xch(), raw(domid)), "pause the domain");
}

void SimLifecycle::unpause(domid_t domid) {
  must(xc_domain_unpause(xen_.xch(), raw(domid)), "unpause the domain");
}

}  // namespace ferry::sim
