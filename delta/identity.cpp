// The hash by which a delta names its base.
#include "delta/identity.h"

#include <openssl/evp.h>

#include <algorithm>
#include <memory>
#include <new>

#include "error/error.h"
#include "proto/record_reader.h"

namespace ferry::delta {
namespace {

using Sha256Bytes = std::array<std::byte, 32>;

class Sha256 {
 public:
  Sha256() : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
    if (!context_) throw std::bad_alloc();
    if (EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) != 1) refuse();
  }
  void add(std::span<const std::byte> bytes) {
    if (EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) != 1) refuse();
  }
  Sha256Bytes result() {
    Sha256Bytes hash;
    if (EVP_DigestFinal_ex(context_.get(), reinterpret_cast<unsigned char*>(hash.data()),
                           nullptr) != 1)
      refuse();
    return hash;
  }

 private:
  [[noreturn]] static void refuse() { fail(Errc::internal, "OpenSSL does not do SHA-256"); }
  std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context_;
};

class RecordJob final : public Job {
 public:
  RecordJob(RecordReader& reader, Sha256& all, RawRecord record)
      : reader_(reader), all_(all), record_(std::move(record)) {}

  void work() override {
    check_digest(record_);
    Sha256 one;
    one.add(record_.bytes);
    hash_ = one.result();
  }
  void consume() override {
    all_.add(hash_);
    reader_.reuse(std::move(record_.bytes));
  }

 private:
  RecordReader& reader_;
  Sha256& all_;
  RawRecord record_;
  Sha256Bytes hash_{};
};

}  // namespace

BaseName identify(const ImageFile& link, const std::string& path, Executor& executor) {
  try {
    const std::unique_ptr<ByteSource> source = link.stream();
    RecordReader reader(*source);
    Sha256 all;
    executor.run([&]() -> std::unique_ptr<Job> {
      std::optional<RawRecord> record = reader.next();
      if (!record) return nullptr;
      return std::make_unique<RecordJob>(reader, all, std::move(*record));
    });
    BaseName name;
    name.sha256 = all.result();
    const std::string& digest = link.end().digest_of_digests();
    std::ranges::copy(std::as_bytes(std::span(digest)).first(name.digest_of_digests.size()),
                      name.digest_of_digests.begin());
    name.bytes = link.end().bytes();
    return name;
  } catch (const Error& error) {
    if (error.code() != Errc::bad_image) throw;
    throw Error(Errc::bad_image, fmt::format("{}: {}", path, error.what()));
  }
}

}  // namespace ferry::delta
