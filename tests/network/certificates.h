// Certificates for tests, made with OpenSSL's own program: an authority, and hosts that it vouches
// for.
#pragma once

#include <string>
#include <vector>

#include "network/tls.h"
#include "tests/files/folder.h"

namespace ferry {

class Certificates {
 public:
  Certificates();

  // names: as in a subjectAltName, such as "DNS:host1.example,IP:127.0.0.1".
  TlsFiles issue(const std::string& host, const std::string& names, int days = 1) const;
  // The authority's list of revoked certificates, made anew: those and no others.
  std::string revoke(const std::vector<TlsFiles>& hosts) const;
  std::string path(const std::string& name) const { return folder_.path(name); }

 private:
  TestFolder folder_;
};

}  // namespace ferry
