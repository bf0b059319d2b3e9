// Where this host's certificate is.
#pragma once

#include "network/tls.h"

namespace ferry::host {

// FERRY_TLS_CA, FERRY_TLS_CERT and FERRY_TLS_KEY, or ca.pem, cert.pem and key.pem of
// /etc/ferry/tls; FERRY_TLS_CRL, or none.
TlsFiles tls_files();

}  // namespace ferry::host
