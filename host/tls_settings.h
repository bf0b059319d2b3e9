// Where this host's certificate is.
#pragma once

#include "network/tls.h"

namespace ferry::host {

// The places tls_ca, tls_cert, tls_key and, if it is set, tls_crl (settings/places.h).
TlsFiles tls_files();

}  // namespace ferry::host
