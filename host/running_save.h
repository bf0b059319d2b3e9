// A save or migration that runs on this host, spoken to over its control socket
// (host/control_socket.h).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "p2m/frames.h"

namespace ferry::host {

class RunningSave {
 public:
  // Those that listen at their usual places.
  static std::vector<RunningSave> all();
  static std::optional<RunningSave> of(domid_t domid);

  domid_t domid() const { return domid_; }
  // The answer to one request. Throws Error(io) if it is gone by now, Error(usage) if it does not
  // take the request.
  nlohmann::ordered_json ask(const std::string& request) const;

 private:
  explicit RunningSave(domid_t domid) : domid_(domid) {}

  domid_t domid_;
};

}  // namespace ferry::host
