// A byte stream over TLS 1.3.
#include "network/tls.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "error/error.h"
#include "network/tcp.h"

namespace ferry {
namespace {

constexpr std::chrono::seconds kReasonTime{2};

bool is_ip(const std::string& host) {
  unsigned char bytes[16];
  return inet_pton(AF_INET, host.c_str(), bytes) == 1 ||
         inet_pton(AF_INET6, host.c_str(), bytes) == 1;
}

std::string text_of(const ASN1_STRING* string) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(string)),
          static_cast<size_t>(ASN1_STRING_length(string))};
}

std::string text_of_ip(const ASN1_STRING* string) {
  char text[INET6_ADDRSTRLEN] = {};
  const int family = ASN1_STRING_length(string) == 4 ? AF_INET : AF_INET6;
  inet_ntop(family, ASN1_STRING_get0_data(string), text, sizeof text);
  return text;
}

// The other side's complaint, in words that say what to do about it.
std::string reason_of(unsigned long code) {
  switch (ERR_GET_REASON(code)) {
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
    case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
      return fmt::format("it does not accept this host's certificate ({})",
                         ERR_reason_error_string(code));
    default:
      break;
  }
  const char* reason = ERR_reason_error_string(code);
  return reason ? reason : "it does not speak TLS 1.3";
}

}  // namespace

TlsStream::TlsStream(Descriptor socket, const TlsContext& context, std::string peer)
    : socket_(std::move(socket)), peer_(std::move(peer)), ssl_(SSL_new(context.get())) {
  if (!ssl_ || SSL_set_fd(ssl_, socket_.get()) != 1) fail(Errc::no_memory, "no memory for TLS");
}

TlsStream::~TlsStream() {
  SSL_free(ssl_);
}

std::unique_ptr<TlsStream> TlsStream::connect(Descriptor socket, const TlsContext& context,
                                              const std::string& host) {
  std::unique_ptr<TlsStream> stream(new TlsStream(std::move(socket), context, host));
  if (is_ip(host)) {
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(stream->ssl_), host.c_str());
  } else {
    SSL_set1_host(stream->ssl_, host.c_str());
    SSL_set_tlsext_host_name(stream->ssl_, host.c_str());
  }
  stream->shake_hands(true);
  return stream;
}

std::unique_ptr<TlsStream> TlsStream::accept(Descriptor socket, const TlsContext& context,
                                             const std::string& peer) {
  std::unique_ptr<TlsStream> stream(new TlsStream(std::move(socket), context, peer));
  try {
    stream->shake_hands(false);
  } catch (const Error&) {
    stream->let_the_reason_arrive();
    throw;
  }
  return stream;
}

// A socket that is closed with bytes unread resets the connection, and the alert that says why is
// lost on its way.
void TlsStream::let_the_reason_arrive() const {
  shutdown(socket_.get(), SHUT_WR);
  char unread[4096];
  pollfd ready = {socket_.get(), POLLIN, 0};
  while (poll(&ready, 1, std::chrono::milliseconds(kReasonTime).count()) > 0 &&
         ::read(socket_.get(), unread, sizeof unread) > 0) {
  }
}

void TlsStream::shake_hands(bool connecting) {
  for (;;) {
    ERR_clear_error();
    const int result = connecting ? SSL_connect(ssl_) : SSL_accept(ssl_);
    if (result == 1) return;
    const int error = SSL_get_error(ssl_, result);
    if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) fail_tls("reach", error);
    pollfd ready = {socket_.get(),
                    static_cast<short>(error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT), 0};
    if (poll(&ready, 1, std::chrono::milliseconds(kPeerTimeout).count()) == 0)
      fail(Errc::io, "{} does not answer", peer_);
  }
}

void TlsStream::fail_tls(const char* doing, int ssl_error) const {
  const int os_errno = errno;
  const unsigned long code = ERR_peek_error();
  const long verified = SSL_get_verify_result(ssl_);
  if (verified != X509_V_OK)
    fail(Errc::io, "the certificate of {} is not accepted here: {}", peer_,
         X509_verify_cert_error_string(verified));
  if (ssl_error == SSL_ERROR_SYSCALL && code == 0 && os_errno != 0)
    fail_errno(Errc::io, os_errno, fmt::format("cannot {} {}", doing, peer_));
  if (code == 0 || ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
    fail(Errc::io, "cannot {} {}: the connection was cut", doing, peer_);
  fail(Errc::io, "cannot {} {}: {}", doing, peer_, reason_of(code));
}

// The socket is non-blocking so that the other thread gets its turn meanwhile.
void TlsStream::wait(int ssl_error) const {
  pollfd ready = {socket_.get(),
                  static_cast<short>(ssl_error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT), 0};
  constexpr std::chrono::milliseconds kLookAgain{1000};
  while (poll(&ready, 1, kLookAgain.count()) == 0)
    if (peer_is_gone(socket_.get())) fail(Errc::io, "{} does not answer any more", peer_);
}

size_t TlsStream::read(std::span<std::byte> into) {
  size_t done = 0;
  while (done < into.size()) {
    int error = SSL_ERROR_NONE;
    {
      const std::lock_guard lock(mutex_);
      ERR_clear_error();
      size_t n = 0;
      const int result = SSL_read_ex(ssl_, into.data() + done, into.size() - done, &n);
      if (result == 1) {
        done += n;
        continue;
      }
      error = SSL_get_error(ssl_, result);
      if (error == SSL_ERROR_ZERO_RETURN) return done;
      if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
        fail_tls("read from", error);
    }
    wait(error);
  }
  return done;
}

void TlsStream::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    int error = SSL_ERROR_NONE;
    {
      const std::lock_guard lock(mutex_);
      ERR_clear_error();
      size_t n = 0;
      const int result = SSL_write_ex(ssl_, bytes.data(), bytes.size(), &n);
      if (result == 1) {
        bytes = bytes.subspan(n);
        continue;
      }
      error = SSL_get_error(ssl_, result);
      if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
        fail_tls("write to", error);
    }
    wait(error);
  }
}

void TlsStream::finish() {
  const std::lock_guard lock(mutex_);
  ERR_clear_error();
  SSL_shutdown(ssl_);
}

void TlsStream::finish_in_order() {
  finish();
  let_the_reason_arrive();
}

void TlsStream::cut() const {
  ::shutdown(socket_.get(), SHUT_RDWR);
}

std::vector<std::string> TlsStream::peer_names() const {
  std::vector<std::string> names;
  const X509* certificate = SSL_get0_peer_certificate(ssl_);
  const std::unique_ptr<GENERAL_NAMES, void (*)(GENERAL_NAMES*)> all(
      static_cast<GENERAL_NAMES*>(
          X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)),
      GENERAL_NAMES_free);
  for (int i = 0; i < sk_GENERAL_NAME_num(all.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(all.get(), i);
    if (name->type == GEN_DNS) names.push_back(text_of(name->d.dNSName));
    if (name->type == GEN_IPADD) names.push_back(text_of_ip(name->d.iPAddress));
  }
  if (!names.empty()) return names;
  const X509_NAME* subject = X509_get_subject_name(certificate);
  const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (at >= 0) names.push_back(text_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at))));
  return names;
}

std::string TlsStream::peer_fingerprint() const {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  X509_digest(SSL_get0_peer_certificate(ssl_), EVP_sha256(), digest, &size);
  return {reinterpret_cast<const char*>(digest), size};
}

}  // namespace ferry
