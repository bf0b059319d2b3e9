// The mark of a configuration that this host's own toolstack gave.
#include "config/own_mark.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <optional>

#include "error/error.h"
#include "files/durable.h"
#include "io/descriptor.h"
#include "settings/places.h"

namespace ferry {
namespace {

namespace fs = std::filesystem;

constexpr size_t kKeyBytes = 32, kMarkBytes = 32;
using Key = std::array<unsigned char, kKeyBytes>;

std::string folder() {
  return place<"state_dir">();
}

std::string key_path() {
  return folder() + "/config.key";
}

// Nothing if there is none. Throws Error(io) for one that others can read or write, or that is cut.
std::optional<Key> read_key() {
  const Descriptor file(open(key_path().c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!file && errno == ENOENT) return std::nullopt;
  if (!file) fail_errno(Errc::io, errno, fmt::format("cannot open {}", key_path()));
  struct stat found = {};
  Key key;
  if (fstat(file.get(), &found) != 0 || !S_ISREG(found.st_mode) || found.st_uid != geteuid() ||
      (found.st_mode & (S_IRWXG | S_IRWXO)) != 0 ||
      found.st_size != static_cast<off_t>(key.size()) ||
      read(file.get(), key.data(), key.size()) != static_cast<ssize_t>(key.size()))
    fail(Errc::io, "{} is no key of {} bytes that its owner alone can read", key_path(), kKeyBytes);
  return key;
}

// Two saves may begin at once: the first to give the file its name has made the key.
void make_key() {
  mkdir(fs::path(folder()).parent_path().c_str(), 0700);
  mkdir(folder().c_str(), 0700);  // one that is missing is noticed below
  Key key;
  if (RAND_bytes(key.data(), key.size()) != 1) fail(Errc::io, "no random bytes for a key");
  std::string fresh = key_path() + ".XXXXXX";
  const Descriptor file(mkostemp(fresh.data(), O_CLOEXEC));
  if (!file) fail_errno(Errc::io, errno, fmt::format("cannot make {}", key_path()));
  const bool written =
      write(file.get(), key.data(), key.size()) == ssize_t{kKeyBytes} && fsync(file.get()) == 0;
  const bool named = written && (link(fresh.c_str(), key_path().c_str()) == 0 || errno == EEXIST);
  const int reason = errno;
  unlink(fresh.c_str());
  if (!named) fail_errno(Errc::io, reason, fmt::format("cannot make {}", key_path()));
  sync_folder(folder());
}

std::string mark_with(Key key, const std::string& config) {
  const std::string text = "ferry, a configuration of this host\n" + config;
  std::string mark(EVP_MAX_MD_SIZE, '\0');
  unsigned bytes = 0;
  const bool made = HMAC(EVP_sha256(), key.data(), key.size(),
                         reinterpret_cast<const unsigned char*>(text.data()), text.size(),
                         reinterpret_cast<unsigned char*>(mark.data()), &bytes) != nullptr;
  OPENSSL_cleanse(key.data(), key.size());
  if (!made || bytes != kMarkBytes) fail(Errc::internal, "no mark could be made");
  mark.resize(bytes);
  return mark;
}

}  // namespace

std::string own_mark(const std::string& config) {
  std::optional<Key> key = read_key();
  if (!key) {
    make_key();
    key = read_key();
  }
  if (!key) fail(Errc::io, "{} is gone again", key_path());
  return mark_with(*key, config);
}

bool is_own_mark(const std::string& mark, const std::string& config) {
  try {
    const std::optional<Key> key = read_key();
    if (!key || mark.size() != kMarkBytes) return false;
    return CRYPTO_memcmp(mark_with(*key, config).data(), mark.data(), kMarkBytes) == 0;
  } catch (const Error&) {
    return false;
  }
}

}  // namespace ferry
