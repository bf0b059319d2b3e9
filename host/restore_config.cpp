// How a saved guest is to be made again on this host.
#include "host/restore_config.h"

#include "config/json_text.h"
#include "config/judge_config.h"
#include "config/libxl_json.h"
#include "config/memory_target.h"
#include "config/own_mark.h"
#include "migrate/job_journal.h"
#include "migrate/open_job.h"
#include "p2m/frames.h"
#include "text/human_bytes.h"
#include "text/printable.h"
#include "text/say.h"
#include "xen/hypervisor.h"
#include "xen/uuid.h"

namespace ferry::host {
namespace {

using Json = nlohmann::ordered_json;

bool is_taken(Lifecycle& life, const std::string& name) {
  try {
    life.find(name);
    return true;
  } catch (const Error& error) {
    if (error.code() != Errc::no_domain) throw;
    return false;
  }
}

constexpr char kWayOut[] =
    "--trust-config takes it all the same, --config takes a configuration of yours instead";

JudgedConfig judged(const std::string& text, const std::string& called, bool trusted) {
  JudgedConfig config = judge_config(text, Errc::bad_image, called, trust_places());
  if (!trusted) require_trust(config, called, kWayOut);
  return config;
}

JudgedConfig config_of_image(const SavedConfig& saved, bool trusted) {
  if (!(saved.header.mandatory_flags & kXlFlagJson))
    fail(Errc::unsupported,
         "the image has no configuration of libxl's: restore it by what saved it (virsh restore), "
         "or with --config (virsh domxml-to-native xen-xl writes one)");
  const std::string& text = saved.header.config;
  return judged(text, "the image's configuration",
                trusted || (!saved.in_xl_file && is_own_mark(saved.mark, text)));
}

// The guest stays the one it was, by its uuid, whatever else the operator's file changes.
JudgedConfig config_of_operator(const SavedConfig& saved, const std::string& text) {
  JudgedConfig own = judged(text, "the configuration of --config", true);
  if (!(saved.header.mandatory_flags & kXlFlagJson)) return own;  // libvirt's
  const std::string uuid = text_at(parse_config(saved.header.config), "/c_info/uuid");
  if (!uuid.empty()) own.json["c_info"]["uuid"] = uuid;
  return own;
}

// libxl limits a new domain to its target, and as much beyond it as config/memory_target.h says: a
// guest may have used that, and its configuration is right all the same. Who asks for a target is
// told of one that the guest is not above.
void set_memory(Json& json, const SavedConfig& saved, const RestoreAs& as) {
  if (as.memory_mib != 0) set_memory_target(json, as.memory_mib << 10);
  const auto target = memory_target_kib(json);
  const uint64_t needed = saved.guest_pages * (kPageSize / 1024);
  const uint64_t beyond = as.memory_mib != 0 ? 0 : kBeyondTargetKib;
  if (!target || needed <= *target + beyond) return;
  fail(Errc::no_memory,
       "the guest has {} of memory, and its configuration would give it {} MiB{}: --memory "
       "{} restores it",
       human_bytes(needed << 10), *target >> 10, as.memory_mib != 0 ? " with this --memory" : "",
       (needed + 1023) >> 10);
}

}  // namespace

RestoreConfig restore_config(const SavedConfig& saved, const RestoreAs& as) {
  if (!is_utf8(as.name)) fail(Errc::usage, "a name has to be UTF-8, and {} is not", as.name);
  JudgedConfig judged = as.config.empty() ? config_of_image(saved, as.trust_config)
                                          : config_of_operator(saved, as.config);
  RestoreConfig config{{kXlFlagJson | kXlFlagStreamV2, {}}, std::move(judged.json), {}, {}};
  config.dropped = std::move(judged.dropped);
  if (!as.name.empty()) config.json["c_info"]["name"] = as.name;
  set_memory(config.json, saved, as);
  config.header.config = json_text(config.json, -1);
  return config;
}

void tell_dropped(const RestoreConfig& config) {
  for (const std::string& key : config.dropped)
    say(fmt::format("ferry: {} is left out of the configuration: libxl does not know it\n",
                    printable(key)));
}

namespace {

std::string_view how_it_is_here(const DomainHere& domain) {
  return domain.runs()  ? "still runs here"
         : domain.ended ? "is here, suspended,"
                        : "is here, paused,";
}

// One that is paused may be half of a guest: nothing else of a restore that was killed is left.
std::string way_out_of_half(const DomainHere& domain) {
  if (domain.runs() || domain.ended) return {};
  return fmt::format("; if it is what a restore that was broken off has left, try: xl destroy {}",
                     raw(domain.domid));
}

}  // namespace

// Two copies of a guest write to the same disks and answer to the same addresses.
void refuse_second_copy(RestoreConfig& config, Lifecycle& life, const RestoreAs& as) {
  Json& info = config.json["c_info"];
  if (info.contains("uuid")) {  // otherwise libxl makes one
    const DomainUuid uuid = uuid_of(info["uuid"]);
    if (auto lock = lock_arrival(std::string(uuid.begin(), uuid.end())))
      config.arrival.emplace(std::move(*lock));
    else if (!as.force)
      fail(Errc::busy, "the guest in {} is arriving here already, by a restore or a migration",
           as.file);
    if (!as.force) refuse_open_job_of(std::string(uuid.begin(), uuid.end()));
    const auto running = life.with_uuid(std::string(uuid.begin(), uuid.end()));
    if (!running.empty() && !as.force)
      fail(
          Errc::busy,
          "the guest in {} {} as domain {} ({}); a second copy would share its disks and addresses "
          "(--force, with --name, restores it all the same{})",
          as.file, how_it_is_here(running.front()), raw(running.front().domid),
          running.front().name, way_out_of_half(running.front()));
    tell_where_it_went(std::string(uuid.begin(), uuid.end()));
    if (!running.empty()) info["uuid"] = uuid_text(random_uuid());
  }
  const std::string name = info.value("name", std::string());
  if (!name.empty() && is_taken(life, name))
    fail(Errc::busy, "there is a domain {} on this host already; --name gives it another name",
         name);
  config.header.config = json_text(config.json, -1);
}

}  // namespace ferry::host
