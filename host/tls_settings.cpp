// Where this host's certificate is.
#include "host/tls_settings.h"

#include "settings/places.h"

namespace ferry::host {

TlsFiles tls_files() {
  return {place<"tls_ca">(), place<"tls_cert">(), place<"tls_key">(),
          find_place<"tls_crl">().value_or("")};
}

}  // namespace ferry::host
