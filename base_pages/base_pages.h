// What a delta's base says of each page, in 16 bytes that no guest can predict or forge: in memory
// that is read from the base, or in a file of page hashes, which was written with it and stands for
// it (ferry save --page-hashes).
//
//   | state 8 | nr_pfns 8 | image bytes 8 | digest of digests 16 | SHA-256 32 | key 192 | (to 4096)
//   | | pfn 0: 16 | pfn 1: 16 | …
//
// A file has that, up to the last pfn, and then XXH3-128 of all of it, 16: it finds damage, and no
// forgery, as the digests of an image do.
//
//   all zero           no frame
//   1, then zero       the base says nothing of it, or the delta does already: never the same
//   2, then zero       a frame full of zeros
//   anything else      XXH3-128 of the page with the key, and its kind
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "io/byte_stream.h"
#include "io/descriptor.h"
#include "p2m/frames.h"

namespace ferry {

// How a delta names its base (ferry.v1.Base).
struct BaseName {
  std::array<std::byte, 32> sha256{};
  std::array<std::byte, 16> digest_of_digests{};
  uint64_t bytes = 0;
};

// Of one save. Different pfns can be asked and told on different threads at the same time.
class BasePages {
 public:
  // Room for pfns up to most_pfns, in memory of its own that costs nothing before something is in
  // it. Throws Error(no_memory).
  static BasePages make(uint64_t most_pfns);
  // What another process has made and filled: a descriptor that stays the caller's. Changes stay
  // here. Throws Error(io), Error(internal) if it is not that, or was never finished.
  static BasePages adopt(int fd);
  // What another process has made and waits for, to be filled here. The same errors.
  static BasePages fill(int fd);
  ~BasePages();
  BasePages(BasePages&& other) noexcept;
  BasePages& operator=(BasePages&&) = delete;

  int fd() const { return fd_.get(); }
  uint64_t most_pfns() const { return room_; }

  // Filling it; what is not filled has no frame. kind: any number that tells kinds of pages apart
  // (proto's).
  void absent(uint64_t pfn) { set(pfn, {0, 0}); }
  void unknown(uint64_t pfn) { set(pfn, {1, 0}); }
  void zero(uint64_t pfn) { set(pfn, {2, 0}); }
  void page(uint64_t pfn, unsigned kind, const std::byte* bytes) { set(pfn, hash(kind, bytes)); }
  // All is in it: the base has so many pfns, and is called so.
  void finish(uint64_t nr_pfns, const BaseName& name);

  // Page hashes, as a file. Whether one begins so; the whole of it, of what is finished; and back
  // into what make() made. Throws Error(bad_image) if it is damaged or none, Error(unsupported) if
  // there is no room for it.
  static constexpr size_t kFirstBytes = 8;
  static bool begins_so(std::span<const std::byte> first_bytes);
  void write_to(ByteSink& file) const;
  void read_from(ByteSource& file);

  // Asking. Pfns from nr_pfns() on are never the same.
  uint64_t nr_pfns() const { return nr_pfns_; }
  BaseName name() const;
  bool was_absent(uint64_t pfn) const { return is(pfn, {0, 0}); }
  bool was_zero(uint64_t pfn) const { return is(pfn, {2, 0}); }
  bool was(uint64_t pfn, unsigned kind, const std::byte* bytes) const {
    return pfn < nr_pfns_ && is(pfn, hash(kind, bytes));
  }
  // The delta says something of it: from now on it is never the same.
  void told(uint64_t pfn) {
    if (pfn < nr_pfns_) set(pfn, {1, 0});
  }

 private:
  struct Word {
    uint64_t low, high;
    bool operator==(const Word&) const = default;
  };
  struct Front;

  BasePages() = default;
  static BasePages over(int fd, bool shared);
  void map(uint64_t bytes, bool shared);
  Word hash(unsigned kind, const std::byte* bytes) const;
  void set(uint64_t pfn, Word word) { words_[pfn] = word; }
  bool is(uint64_t pfn, Word word) const { return pfn < nr_pfns_ && words_[pfn] == word; }

  Descriptor fd_;
  std::byte* memory_ = nullptr;
  uint64_t bytes_ = 0;
  Front* front_ = nullptr;
  Word* words_ = nullptr;
  uint64_t room_ = 0;     // pfns that there is room for
  uint64_t nr_pfns_ = 0;  // once it is finished
};

}  // namespace ferry
