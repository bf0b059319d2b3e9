// What one program shows and trusts.
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "error/error.h"
#include "network/tls.h"

namespace ferry {
namespace {

std::string why() {
  const unsigned long code = ERR_peek_last_error();
  const char* reason = ERR_reason_error_string(code);
  return reason ? reason : ERR_GET_LIB(code) == ERR_LIB_SYS ? std::strerror(errno) : "no PEM file";
}

void need(bool done, const char* what, const std::string& path) {
  if (done) return;
  if (access(path.c_str(), R_OK) != 0)
    fail_errno(Errc::io, errno, fmt::format("cannot read {} {}", what, path));
  fail(Errc::io, "{} {} cannot be used: {}", what, path, why());
}

void check_key_is_secret(const std::string& path) {
  struct stat status = {};
  if (stat(path.c_str(), &status) == 0 && (status.st_mode & (S_IRWXG | S_IRWXO)) != 0)
    fail(Errc::io, "the key {} can be read by others; make it chmod 600", path);
}

}  // namespace

TlsContext::TlsContext(const TlsFiles& files) : context_(SSL_CTX_new(TLS_method()), SSL_CTX_free) {
  SSL_CTX* context = context_.get();
  if (!context) fail(Errc::no_memory, "no memory for TLS");
  SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
  SSL_CTX_set_num_tickets(context, 0);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  need(SSL_CTX_load_verify_file(context, files.authority.c_str()) == 1, "the authority",
       files.authority);
  if (!files.crl.empty()) {
    X509_STORE* store = SSL_CTX_get_cert_store(context);
    need(X509_load_crl_file(X509_STORE_add_lookup(store, X509_LOOKUP_file()), files.crl.c_str(),
                            X509_FILETYPE_PEM) > 0,
         "the list of revoked certificates", files.crl);
    X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK);
  }
  need(SSL_CTX_use_certificate_chain_file(context, files.certificate.c_str()) == 1,
       "the certificate", files.certificate);
  need(SSL_CTX_use_PrivateKey_file(context, files.key.c_str(), SSL_FILETYPE_PEM) == 1, "the key",
       files.key);
  check_key_is_secret(files.key);
  need(SSL_CTX_check_private_key(context) == 1, "the key", files.key);
}

}  // namespace ferry
