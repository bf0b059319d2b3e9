// How a saved guest is to be made again on this host.
#include "host/restore_config.h"

#include "config/config_record.h"
#include "config/libxl_json.h"
#include "text/printable.h"
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

}  // namespace

RestoreConfig restore_config(const ImageFile& image, const RestoreAs& as) {
  if (!is_utf8(as.name)) fail(Errc::usage, "a name has to be UTF-8, and {} is not", as.name);
  RestoreConfig config{config_header(image), {}};
  if (!(config.header.mandatory_flags & kXlFlagJson))
    fail(Errc::unsupported, "the image's configuration is not JSON; restore it with xl restore");
  config.json = require_config(config.header.config, Errc::bad_image, "the image's configuration");
  if (!as.name.empty()) config.json["c_info"]["name"] = as.name;
  config.header.config = config.json.dump();
  return config;
}

// Two copies of a guest write to the same disks and answer to the same addresses.
void refuse_second_copy(RestoreConfig& config, Lifecycle& life, const RestoreAs& as) {
  Json& info = config.json["c_info"];
  if (info.contains("uuid")) {  // otherwise libxl makes one
    const DomainUuid uuid = uuid_of(info["uuid"]);
    const auto running = life.find_uuid(std::string(uuid.begin(), uuid.end()));
    if (running && !as.force)
      fail(Errc::busy,
           "the guest in {} still runs here as domain {} ({}); a second copy would share its disks "
           "and addresses (--force, with --name, restores it all the same)",
           as.file, static_cast<unsigned>(*running), life.name(*running));
    if (running) info["uuid"] = uuid_text(random_uuid());
  }
  const std::string name = info.value("name", std::string());
  if (!name.empty() && is_taken(life, name))
    fail(Errc::busy, "there is a domain {} on this host already; --name gives it another name",
         name);
  config.header.config = config.json.dump();
}

}  // namespace ferry::host
