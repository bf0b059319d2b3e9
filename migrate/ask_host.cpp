// Whether another host could take a guest.
#include "migrate/ask_host.h"

#include <nlohmann/json.hpp>

#include "config/libxl_json.h"
#include "error/error.h"
#include "migrate/cpu_features.h"
#include "migrate/earlier_tries.h"
#include "migrate/guest_names.h"
#include "text/printable.h"
#include "xen/cpu_policy.h"
#include "xen/cpu_policy_check.h"
#include "xen/domain.h"
#include "xen/tsc.h"

namespace ferry {
namespace {

using Json = nlohmann::ordered_json;

std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// The string there, or nothing.
std::string string_at(const Json& json, const char* key) {
  return json.is_object() && json.contains(key) && json[key].is_string()
             ? json[key].get<std::string>()
             : std::string();
}

// Collects what an answer says.
class Answering {
 public:
  Answering(const Hypervisor& xen, Lifecycle& life, const DevicesHere& devices,
            const v1::MigrateQuestion& question)
      : xen_(xen), life_(life), devices_(devices), question_(question) {}

  v1::MigrateAnswer run() {
    check_memory();
    check_cpu();
    check_tsc();
    check_names();
    check_devices();
    return answer_;
  }

 private:
  void blocker(std::string sentence) { answer_.add_blockers(std::move(sentence)); }

  void check_memory() {
    const uint64_t needed = question_.guest_bytes(), free = free_pages(xen_) * kPageSize,
                   from_domain_0 = devices_.from_domain_0();
    answer_.set_free_bytes(free + from_domain_0);
    if (needed > free + from_domain_0)
      blocker(fmt::format(
          "it has {} MiB of free memory{}, the guest needs {} MiB", free >> 20,
          from_domain_0 == 0
              ? ""
              : fmt::format(", and {} MiB that its domain 0 can give", from_domain_0 >> 20),
          needed >> 20));
    else if (needed > free)
      answer_.add_notes(fmt::format(
          "it has {} MiB of free memory, and xl will take {} MiB from its domain 0 (autoballoon)",
          free >> 20, ((needed - free) >> 20) + 1));
  }

  // An older Xen takes what a newer one sends, as long as it knows what the guest was shown.
  std::string who_lacks() const {
    const auto theirs = std::pair(question_.xen_major(), question_.xen_minor());
    if (theirs <= std::pair(xen_.major(), xen_.minor())) return "its CPU lacks";
    return fmt::format(
        "its CPU or its Xen {}.{}, older than the {}.{} that the guest runs on, lacks",
        xen_.major(), xen_.minor(), theirs.first, theirs.second);
  }

  // First what Xen itself would refuse, in the restore's words; then what it would not tell.
  void check_cpu() {
    const auto guest = std::as_bytes(std::span(question_.cpuid_leaves()));
    std::string refused =
        why_cpu_policy_is_refused(xen_, guest, std::as_bytes(std::span(question_.msrs())));
    if (!refused.empty()) blocker(std::move(refused));
    const auto most = most_cpu_policy(xen_).cpuid_leaves;
    const std::string theirs = cpu_vendor(guest), here = cpu_vendor(most);
    if (!theirs.empty() && theirs != here)
      blocker(fmt::format("its CPU is made by {}, the guest was started on one of {}",
                          printable(here), printable(theirs)));
    const auto missing = missing_cpu_features(guest, most);
    if (!missing.empty())
      blocker(
          fmt::format("{} what the guest was shown: {}", who_lacks(), fmt::join(missing, ", ")));
  }

  // Xen lets a PV guest read the host's counter itself only where that counts exactly as fast as
  // what the guest was started with.
  void check_tsc() {
    const uint32_t here = host_tsc_khz(xen_), theirs = question_.tsc_khz();
    if (theirs == 0 || theirs == here || question_.tsc_mode() == kTscAlwaysEmulated) return;
    const bool native = question_.tsc_mode() == kTscNative;
    answer_.add_notes(fmt::format(
        "its time stamp counter runs at {} kHz, the guest's at {} kHz: {}", here, theirs,
        native ? "a program in the guest that has measured it will be wrong, because tsc_mode is "
                 "native"
               : "Xen will emulate the guest's, so that reading the time takes longer there"));
  }

  void check_names() {
    try {
      check_name(question_.name());
      const auto going = copies_that_can_go(life_, question_.uuid(), question_.taken_back());
      check_names_here(life_, question_.name(), question_.uuid(), false, going);
    } catch (const Error& e) {
      if (e.code() != Errc::unsupported) throw;
      blocker(e.what());
    }
  }

  void check_devices() {
    const Json config = parse_config(question_.libxl_json());
    if (!config.is_object()) return;
    if (config.contains("disks") && config["disks"].is_array())
      for (const Json& disk : config["disks"]) {
        const std::string path = string_at(disk, "pdev_path");
        // What another domain serves is that domain's to say.
        if (path.empty() || disk.contains("backend_domname") || devices_.disk(path)) continue;
        blocker(fmt::format("its disk {} is not there", path));
      }
    if (config.contains("nics") && config["nics"].is_array())
      for (const Json& nic : config["nics"]) {
        const std::string bridge = string_at(nic, "bridge");
        if (!bridge.empty() && !devices_.bridge(bridge))
          blocker(fmt::format("it has no bridge {}", bridge));
      }
  }

  const Hypervisor& xen_;
  Lifecycle& life_;
  const DevicesHere& devices_;
  const v1::MigrateQuestion& question_;
  v1::MigrateAnswer answer_;
};

}  // namespace

v1::MigrateQuestion question_about(const Hypervisor& xen, Lifecycle& life, domid_t domid) {
  v1::MigrateQuestion question;
  question.set_version(kMigrateVersion);
  question.set_name(life.name(domid));
  const DomainInfo info = get_domain(xen, domid);
  question.set_uuid(info.uuid.data(), info.uuid.size());
  *question.mutable_taken_back() = jobs_taken_back(question.uuid());
  question.set_guest_bytes(info.nr_pages * kPageSize);
  question.set_xen_major(xen.major());
  question.set_xen_minor(xen.minor());
  const CpuPolicyBlobs policy = get_cpu_policy(xen, domid);
  question.set_cpuid_leaves(text_of(policy.cpuid_leaves));
  question.set_msrs(text_of(policy.msrs));
  const TscInfo tsc = get_tsc(xen, domid);
  question.set_tsc_mode(tsc.mode);
  question.set_tsc_khz(tsc.mode == kTscNative ? host_tsc_khz(xen) : tsc.khz);
  question.set_libxl_json(life.config_json(domid));
  return question;
}

v1::MigrateAnswer ask(Link& link, const v1::MigrateQuestion& question, const std::string& peer) {
  v1::MigrateFrame frame;
  *frame.mutable_question() = question;
  link.send(frame);
  const auto reply = link.receive();
  if (!reply) fail(Errc::io, "{} hung up at once", peer);
  if (reply->has_refusal()) fail(Errc::unsupported, "{}: {}", peer, reply->refusal());
  if (!reply->has_answer()) fail(Errc::io, "{} does not speak ferry's protocol", peer);
  return reply->answer();
}

v1::MigrateAnswer answer(const Hypervisor& xen, Lifecycle& life, const DevicesHere& devices,
                         const v1::MigrateQuestion& question) {
  return Answering(xen, life, devices, question).run();
}

}  // namespace ferry
