// Where this host's certificate is.
#include "host/tls_settings.h"

#include <cstdlib>

namespace ferry::host {
namespace {

std::string path_in(const char* variable, const char* otherwise) {
  const char* set = std::getenv(variable);
  return set ? set : otherwise;
}

}  // namespace

TlsFiles tls_files() {
  return {path_in("FERRY_TLS_CA", "/etc/ferry/tls/ca.pem"),
          path_in("FERRY_TLS_CERT", "/etc/ferry/tls/cert.pem"),
          path_in("FERRY_TLS_KEY", "/etc/ferry/tls/key.pem"), path_in("FERRY_TLS_CRL", "")};
}

}  // namespace ferry::host
