// What a source asks for with the configuration of the guest that it sends.
#include "migrate/judge_hello.h"

#include "config/json_text.h"
#include "config/judge_config.h"
#include "config/libxl_json.h"
#include "error/error.h"
#include "text/printable.h"
#include "text/say.h"
#include "xen/uuid.h"

namespace ferry {
namespace {

constexpr char kCalled[] = "the guest's configuration";
constexpr char kWayOut[] =
    "the receiving host can trust its source: trust_config_from, or receive --stdio --trust-config";

// Whoever is known by one name must not make another one's domain.
void check_identity(const nlohmann::ordered_json& config, const v1::MigrateHello& hello) {
  const std::string name = text_at(config, "/c_info/name"), uuid = text_at(config, "/c_info/uuid");
  if (!name.empty() && name != hello.name())
    fail(Errc::unsupported, "{} is that of {}, not of {}", kCalled, name, hello.name());
  if (uuid.empty()) return;
  const DomainUuid number = uuid_of(uuid);
  if (std::string(number.begin(), number.end()) != hello.uuid())
    fail(Errc::unsupported, "{} has the uuid of another guest", kCalled);
}

}  // namespace

std::string judged_config(const v1::MigrateHello& hello, bool trusted) {
  const JudgedConfig judged =
      judge_config(hello.libxl_json(), Errc::bad_image, kCalled, trust_places());
  if (!trusted) require_trust(judged, kCalled, kWayOut);
  check_identity(judged.json, hello);
  for (const std::string& key : judged.dropped)
    say(fmt::format("ferry: {} is left out of the configuration of {}: libxl does not know it\n",
                    printable(key), printable(hello.name())));
  return json_text(judged.json, -1);
}

std::vector<std::string> against_config(const std::string& config, bool trusted) {
  try {
    const JudgedConfig judged = judge_config(config, Errc::bad_image, kCalled, trust_places());
    if (!trusted) require_trust(judged, kCalled, kWayOut);
    return {};
  } catch (const Error& e) {
    return {e.what()};
  }
}

}  // namespace ferry
