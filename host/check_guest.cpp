// Looks a guest over without touching it.
#include "host/check_guest.h"

#include <nlohmann/json.hpp>

#include "config/libxl_json.h"
#include "custody/domain_lock.h"
#include "custody/leaving.h"
#include "custody/suspend_mark.h"
#include "error/error.h"
#include "migrate/open_job.h"
#include "save/guest_view.h"
#include "save/save.h"
#include "text/printable.h"

namespace ferry::host {
namespace {

// Of libxl's configuration: what no PV guest can be saved with.
void check_config(const std::string& json, CheckResult& result) {
  const auto config = parse_config(json);
  const auto count = [&](const nlohmann::ordered_json& at, const char* key) -> size_t {
    return at.contains(key) && at[key].is_array() ? at[key].size() : 0;
  };
  if (const size_t devices = count(config, "pcidevs"))
    result.blockers.push_back(fmt::format(
        "{} PCI devices are passed through to it; take them away first (xl pci-detach)", devices));
  if (config.contains("b_info") && count(config["b_info"], "vnuma_nodes"))
    result.blockers.emplace_back("it has virtual NUMA nodes, with which xl saves no guest");
}

struct Nowhere final : ByteSink {
  void write(std::span<const std::byte>) override {}
};

// Thrown where the guest would be asked to suspend.
struct Enough {};

}  // namespace

std::string suspended_by_broken_save(const DomainInfo& domain) {
  std::string images;
  for (const NamedFile& image : images_in_suspend_mark(domain))
    images += fmt::format("{}{}", images.empty() ? "" : " or ", printable(image.path));
  return fmt::format(
      "it is suspended: a save or migration that was broken off left it so, and it would be saved "
      "as it is; to let it go on{}, try: ferry resume {}",
      images.empty() ? "" : fmt::format(", if nobody has restored it from {}", images),
      raw(domain.domid));
}

CheckResult check_guest(const Hypervisor& xen, Lifecycle& life, const std::string& domain) {
  CheckResult result;
  result.domid = life.find(domain);
  result.name = life.name(result.domid);
  const DomainInfo info = get_domain(xen, result.domid);
  result.guest_bytes = info.nr_pages * kPageSize;
  const auto blocks = [&](auto look) {
    try {
      look();
    } catch (const Error& e) {
      result.blockers.emplace_back(e.what());
    }
  };
  result.under_way = info.suspended && !DomainLock::try_take(info.domid);
  if (result.under_way)
    result.blockers.emplace_back("it is suspended: a save or migration of it is under way");
  blocks([&] { refuse_claimed(xen, info); });
  blocks([&] { check_can_save(xen, info); });
  blocks([&] {
    const Leaving leaving = look_at_leaving(life, info);
    result.notes = leaving.notes;
    check_config(leaving.config, result);
  });
  if (!result.blockers.empty()) return result;
  blocks([&] { view_running_guest(xen, info, std::make_shared<const MachineToPhys>(xen)); });
  if (info.suspended) result.notes.push_back(suspended_by_broken_save(info));
  return result;
}

Estimate estimate_guest(const Hypervisor& xen, Lifecycle& life, Executor& executor,
                        const EstimateRequest& request) {
  const domid_t domid = life.find(request.domain);
  refuse_claimed(xen, get_domain(xen, domid));
  if (get_domain(xen, domid).suspended)
    fail(Errc::guest, "domain {} is suspended: it changes nothing, there is nothing to estimate",
         raw(domid));
  Estimate estimate;
  estimate.name = life.name(domid);
  estimate.guest_bytes = get_domain(xen, domid).nr_pages * kPageSize;
  LiveControl control;
  control.bytes_per_second = request.bytes_per_second;
  SaveOptions options;
  LiveOptions& live = options.live.emplace();
  live.track = Track::content;  // leaves no trace in the guest, even if we are killed
  live.policy = request.policy;
  live.control = &control;
  live.decided = [&](const RoundFigures& figures, const Decision& decision) {
    estimate.rounds = figures.round;
    estimate.seconds_ms = figures.elapsed_us / 1000;
    estimate.dirty_bytes_per_second =
        figures.dirty_bytes * 1'000'000 / std::max<uint64_t>(figures.round_us, 1);
    estimate.downtime = decision.downtime;
    estimate.stalled = decision.stalled;
  };
  live.progress = [&](const LiveProgress& p) { estimate.image_bytes = p.image_bytes; };
  SaveCallbacks callbacks;
  callbacks.suspend = [] { throw Enough(); };
  Nowhere nowhere;
  try {
    save_domain(xen, domid, nowhere, executor, options, callbacks);
  } catch (const Enough&) {
  }
  return estimate;
}

}  // namespace ferry::host
