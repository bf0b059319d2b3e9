// Where this host's certificate is.
#pragma once

#include "network/tls.h"

namespace ferry::host {

// The places tls_ca, tls_cert and tls_key (settings/places.h).
TlsFiles tls_files();

}  // namespace ferry::host
