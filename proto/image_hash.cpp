// SHA-256, by OpenSSL (drawn in image_hash.h).
#include "proto/image_hash.h"

#include <openssl/evp.h>

#include <new>

#include "error/error.h"

namespace ferry {

class ImageHash::Running {
 public:
  Running() : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
    if (!context_) throw std::bad_alloc();
    if (EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) != 1) refuse();
  }
  void add(std::span<const std::byte> bytes) {
    if (EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) != 1) refuse();
  }
  Sha256 result() {
    Sha256 hash;
    auto* const to = reinterpret_cast<unsigned char*>(hash.data());
    if (EVP_DigestFinal_ex(context_.get(), to, nullptr) != 1) refuse();
    return hash;
  }

 private:
  [[noreturn]] static void refuse() { fail(Errc::internal, "OpenSSL does not do SHA-256"); }
  std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context_;
};

ImageHash::ImageHash() : running_(std::make_unique<Running>()) {
}

ImageHash::~ImageHash() = default;

ImageHash::Sha256 ImageHash::of_record(std::span<const std::byte> record) {
  Running one;
  one.add(record);
  return one.result();
}

void ImageHash::add(const Sha256& of_record) {
  running_->add(of_record);
}

ImageHash::Sha256 ImageHash::result() {
  return running_->result();
}

}  // namespace ferry
