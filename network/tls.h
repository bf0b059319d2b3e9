// A byte stream over TLS 1.3 whose two ends have proven who they are.
//
// Both sides show a certificate, and both check that it leads to the one authority that they trust.
// The side that connects also checks that the certificate is for the host it wanted. No older TLS,
// no session tickets, no renegotiation.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "io/byte_stream.h"
#include "io/descriptor.h"

struct ssl_st;
struct ssl_ctx_st;

namespace ferry {

// Paths of PEM files. The key must not be readable by others.
struct TlsFiles {
  std::string authority, certificate, key;
  std::string crl = {};  // certificates that the authority has revoked; empty: none are
};

// What one program shows and trusts. Throws Error(io), naming the file that is missing or wrong.
class TlsContext {
 public:
  explicit TlsContext(const TlsFiles& files);
  ssl_ctx_st* get() const { return context_.get(); }

 private:
  std::shared_ptr<ssl_ctx_st> context_;
};

// Reading and writing may happen at the same time, each by one thread. An error ends the stream.
class TlsStream final : public ByteSource, public ByteSink {
 public:
  // Takes a connected socket, its preamble already exchanged. host: as the certificate has to name
  // it, a name or an IP address. Throws Error(io) with the reason, such as a certificate that is
  // not trusted or is for another host.
  static std::unique_ptr<TlsStream> connect(Descriptor socket, const TlsContext& context,
                                            const std::string& host);
  static std::unique_ptr<TlsStream> accept(Descriptor socket, const TlsContext& context,
                                           const std::string& peer);
  ~TlsStream() override;

  // Error(io) also for a stream that ended without the peer having said so: somebody cut it.
  size_t read(std::span<std::byte> into) override;
  void write(std::span<const std::byte> bytes) override;

  // Says that nothing more will come; the peer may still send.
  void finish();
  // The same, and waits some seconds until the peer has taken notice: a connection closed before
  // may lose what was said last.
  void finish_in_order();
  // From any thread or signal handler: what is under way fails at once.
  void cut() const;

  int socket() const { return socket_.get(); }
  // Of the peer's certificate: its DNS names and IP addresses, or its common name if it has none.
  std::vector<std::string> peer_names() const;
  // SHA-256 of the peer's certificate.
  std::string peer_fingerprint() const;

 private:
  TlsStream(Descriptor socket, const TlsContext& context, std::string peer);
  void shake_hands(bool connecting);
  void let_the_reason_arrive() const;
  void wait(int ssl_error) const;
  [[noreturn]] void fail_tls(const char* doing, int ssl_error) const;

  Descriptor socket_;
  std::string peer_;  // how messages call the other end
  ssl_st* ssl_;
  std::mutex mutex_;  // of ssl_: OpenSSL reads and writes one at a time
};

}  // namespace ferry
