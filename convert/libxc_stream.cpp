// A libxc migration stream of a 64-bit PV guest (drawn in libxc_stream.h).
#include "convert/libxc_stream.h"

#include <algorithm>

#include "error/error.h"
#include "proto/wire.h"

namespace ferry::convert {
namespace {

constexpr uint32_t kXenf = 0x58454e46;
constexpr size_t kHeaders = 24 + 16;
constexpr size_t kRecordHeader = 8;
constexpr uint16_t kBigEndian = 1;
constexpr uint32_t kPvGuest = 1;

template <typename T>
T little(std::span<const std::byte> bytes, size_t at) {
  return wire::get_fixed<T>(bytes.subspan(at));
}

bool all_ones(std::span<const std::byte> bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0xff}; });
}

// Reads the xl header by a source that remembers where it is.
class CountingSource final : public ByteSource {
 public:
  explicit CountingSource(const InputFile& file) : inner_(file, 0, file.size()) {}
  size_t read(std::span<std::byte> into) override { return inner_.read(into); }
  uint64_t position() const { return inner_.position(); }

 private:
  FileSource inner_;
};

}  // namespace

bool is_page_type(unsigned type) {
  return type <= 4 || (type >= 9 && type <= kNoFrame);
}

bool type_has_data(unsigned type) {
  return type < kBroken;
}

std::string place_of(const LibxcRecord& record) {
  return fmt::format("the record of type {:#x} at byte {}", record.type,
                     record.body_at - kRecordHeader);
}

std::optional<StreamPlace> find_libxc_stream(const InputFile& file) {
  StreamPlace place;
  Bytes first(std::min<uint64_t>(file.size(), kXlMagicBytes));
  file.read_at(0, first);
  if (looks_like_xl_file(first)) {
    CountingSource source(file);
    place.xl = read_xl_header(source);
    place.offset = source.position();
  }
  Bytes marker(8);
  if (file.size() < place.offset + marker.size()) return std::nullopt;
  file.read_at(place.offset, marker);
  return all_ones(marker) ? std::optional(place) : std::nullopt;
}

LibxcStream::LibxcStream(const InputFile& file, const StreamPlace& place)
    : file_(file), in_xl_file_(place.xl.has_value()), at_(place.offset), end_(file.size()) {
  const Bytes header = take(kHeaders, "headers");
  if (!all_ones(std::span(header).first(8)) ||
      __builtin_bswap32(little<uint32_t>(header, 8)) != kXenf)
    fail(Errc::bad_image, "this is no libxc stream");
  version_ = __builtin_bswap32(little<uint32_t>(header, 12));
  if (version_ != 2 && version_ != 3)
    fail(Errc::unsupported, "this is a libxc stream of version {}; ferry reads 2 and 3", version_);
  if ((__builtin_bswap16(little<uint16_t>(header, 16)) & kBigEndian) != 0)
    fail(Errc::unsupported, "this is a big-endian libxc stream");
  if (little<uint32_t>(header, 24) != kPvGuest)
    fail(Errc::unsupported,
         "this is the stream of an HVM or PVH guest; ferry knows PV guests only");
  if (little<uint16_t>(header, 28) != 12)
    fail(Errc::bad_image, "the stream's pages have 2^{} bytes", little<uint16_t>(header, 28));
  xen_major_ = little<uint32_t>(header, 32);
  xen_minor_ = little<uint32_t>(header, 36);
}

Bytes LibxcStream::take(size_t bytes, const char* what) {
  if (end_ - at_ < bytes) fail(Errc::bad_image, "the libxc stream is cut off within its {}", what);
  Bytes out(bytes);
  file_.read_at(at_, out);
  at_ += bytes;
  return out;
}

std::optional<LibxcRecord> LibxcStream::next() {
  if (ended_) return std::nullopt;
  const Bytes header = take(kRecordHeader, "records: its END is missing");
  const LibxcRecord record{little<uint32_t>(header, 0), little<uint32_t>(header, 4), at_};
  const uint64_t padded = (uint64_t{record.length} + 7) / 8 * 8;
  if (record.length > kMostRecord || padded > end_ - at_)
    fail(Errc::bad_image, "{} claims to have {} bytes, more than are there", place_of(record),
         record.length);
  at_ += padded;
  if (record.is(Type::end)) {
    ended_ = true;
    const Bytes libxl_end = in_xl_file_ ? take(8, "wrapper") : Bytes();
    if (libxl_end != (in_xl_file_ ? encode_libxl_end() : Bytes()) ||
        (at_ != end_ && !file_.is_device()))
      fail(Errc::bad_image, "something follows the libxc stream, from byte {} on", at_);
  }
  return record;
}

void LibxcStream::read(const LibxcRecord& record, uint64_t at, std::span<std::byte> into) const {
  if (at > record.length || into.size() > record.length - at)
    fail(Errc::bad_image, "{} is too short for what it should hold", place_of(record));
  file_.read_at(record.body_at + at, into);
}

Bytes LibxcStream::body(const LibxcRecord& record, size_t most) const {
  if (record.length > most)
    fail(Errc::bad_image, "{} has {} bytes, more than {}", place_of(record), record.length, most);
  Bytes out(record.length);
  read(record, 0, out);
  return out;
}

Bytes encode_libxc_headers(uint32_t xen_major, uint32_t xen_minor) {
  Bytes out(8, std::byte{0xff});
  wire::put_fixed(out, __builtin_bswap32(kXenf));
  wire::put_fixed(out, __builtin_bswap32(uint32_t{3}));
  wire::put_fixed(out, uint64_t{0});  // options and what is reserved
  wire::put_fixed(out, kPvGuest);
  wire::put_fixed(out, uint32_t{12});
  wire::put_fixed(out, xen_major);
  wire::put_fixed(out, xen_minor);
  return out;
}

Bytes encode_libxc_record(Type type, std::span<const std::byte> body) {
  Bytes out;
  out.reserve(kRecordHeader + body.size() + 7);
  wire::put_fixed(out, static_cast<uint32_t>(type));
  wire::put_fixed(out, static_cast<uint32_t>(body.size()));
  out.insert(out.end(), body.begin(), body.end());
  out.resize((out.size() + 7) / 8 * 8);
  return out;
}

}  // namespace ferry::convert
