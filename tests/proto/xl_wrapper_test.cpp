// What xl and libxl put around an image.
#include "proto/xl_wrapper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "error/error.h"
#include "proto/wire.h"
#include "tests/proto/arbitrary.h"

namespace ferry {
namespace {

using testing::HasSubstr;

constexpr uint32_t kFlags = kXlFlagJson | kXlFlagStreamV2;

std::string refusal(const Bytes& bytes) {
  try {
    MemorySource source(bytes);
    read_xl_header(source);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::bad_image);
    return error.what();
  }
  return "accepted";
}

// A header with 4 bytes changed.
std::string with(size_t at, uint32_t value) {
  Bytes bytes = encode_xl_header({kFlags, "{}"});
  std::memcpy(&bytes[at], &value, sizeof value);
  return refusal(bytes);
}

constexpr size_t kByteOrder = 32, kMandatory = 36, kOptional = 40, kLength = 44, kConfig = 48;
constexpr size_t kLibxl = kConfig + 4 + 3;

TEST(XlWrapper, ComesBackAsItWasAndEndsWhereTheImageBegins) {
  EXPECT_TRUE(rc::check([] {
    XlHeader header;
    header.mandatory_flags = kXlFlagStreamV2 | *rc::gen::element(0u, kXlFlagJson);
    header.config = *rc::gen::nonEmpty(rc::gen::string<std::string>());
    if (header.config.back() == '\0') header.config.back() = '}';
    Bytes bytes = encode_xl_header(header);
    bytes.push_back(std::byte{0x0a});
    MemorySource source(bytes);
    const XlHeader again = read_xl_header(source);
    RC_ASSERT(again.mandatory_flags == header.mandatory_flags);
    RC_ASSERT(again.config == header.config);
    Bytes rest(2);
    RC_ASSERT(source.read(rest) == 1u);
    RC_ASSERT(rest[0] == std::byte{0x0a});
  }));
}

TEST(XlWrapper, IsByteForByteWhatXlWrites) {
  const Bytes bytes = encode_xl_header({kFlags, "{}"});
  using namespace std::string_view_literals;
  const std::string_view expected =
      "Xen saved domain, xl format\n \0 \r"
      "\4\3\2\1"      // byte order
      "\3\0\0\0"      // mandatory flags
      "\0\0\0\0"      // optional flags
      "\7\0\0\0"      // what follows of this header
      "\3\0\0\0{}\0"  // length of the config, the config
      "LibxlFmt"
      "\0\0\0\2"          // version
      "\0\0\0\0"          // options
      "\1\0\0\0\0\0\0\0"  // LIBXC_CONTEXT
      ""sv;
  EXPECT_EQ(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()), expected);
  EXPECT_EQ(encode_libxl_end(), Bytes(8));
}

// As libvirt's driver for Xen writes it, which puts XML in place of xl's configuration.
Bytes libvirt_header(uint32_t version, uint32_t xml_bytes) {
  using namespace std::string_view_literals;
  const std::string_view magic = "libvirt-xml\n \0 \r"sv, xml = "<domain type='xen'/>\0"sv;
  Bytes bytes;
  const auto put = [&](std::string_view text) {
    const auto more = std::as_bytes(std::span(text));
    bytes.insert(bytes.end(), more.begin(), more.end());
  };
  put(magic);
  wire::put_fixed(bytes, version);
  wire::put_fixed(bytes, xml_bytes);
  bytes.resize(64);
  put(xml);
  const Bytes xl = encode_xl_header({kFlags, "{}"});
  bytes.insert(bytes.end(), xl.begin() + kLibxl, xl.end());
  return bytes;
}

TEST(XlWrapper, LibvirtsHeaderIsReadToWhereTheImageBegins) {
  Bytes bytes = libvirt_header(2, 21);
  EXPECT_TRUE(looks_like_xl_file(bytes));
  bytes.push_back(std::byte{0x0a});
  MemorySource source(bytes);
  const XlHeader header = read_xl_header(source);
  EXPECT_TRUE(header.of_libvirt);
  EXPECT_EQ(header.mandatory_flags, kXlFlagStreamV2);
  EXPECT_EQ(header.config, "");
  Bytes rest(2);
  EXPECT_EQ(source.read(rest), 1u);
  EXPECT_EQ(rest[0], std::byte{0x0a});
}

TEST(XlWrapper, LibvirtsHeaderIsCheckedToo) {
  EXPECT_EQ(refusal(libvirt_header(2, 21)), "accepted");
  EXPECT_THAT(refusal(libvirt_header(1, 21)), HasSubstr("version 1"));
  EXPECT_THAT(refusal(libvirt_header(3, 21)), HasSubstr("version 3"));
  EXPECT_THAT(refusal(libvirt_header(2, 20)), HasSubstr("no libxl stream"));
  EXPECT_THAT(refusal(libvirt_header(2, 0xffffffff)), HasSubstr("more than"));
  EXPECT_THAT(refusal(libvirt_header(2, 4096)), HasSubstr("cut off within its XML"));
  const Bytes whole = libvirt_header(2, 21);
  for (size_t size = 0; size < whole.size(); ++size)
    EXPECT_NE(refusal(Bytes(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size))),
              "accepted")
        << size;
}

TEST(XlWrapper, EveryFieldThatMattersIsChecked) {
  EXPECT_EQ(with(kOptional, 0xffffffff), "accepted");
  EXPECT_THAT(with(0, 0), HasSubstr("no xl save file"));
  EXPECT_THAT(with(kByteOrder, 0x04030201), HasSubstr("byte order"));
  EXPECT_THAT(with(kMandatory, 7), HasSubstr("mandatory flags 0x7"));
  EXPECT_THAT(with(kMandatory, kXlFlagJson), HasSubstr("before Xen 4.6"));
  EXPECT_THAT(with(kLength, (4 << 20) + 1), HasSubstr("4194305 bytes of config"));
  EXPECT_THAT(with(kLength, 4 << 20), HasSubstr("cut off within its config"));
  EXPECT_THAT(with(kLength, 3), HasSubstr("longer than the header"));
  EXPECT_THAT(with(kConfig, 4), HasSubstr("longer than the header"));
  EXPECT_THAT(with(kConfig, 0xffffffff), HasSubstr("longer than the header"));
  EXPECT_THAT(with(kLibxl, 0), HasSubstr("no libxl stream"));
  EXPECT_THAT(with(kLibxl + 8, 0), HasSubstr("version 0"));
  EXPECT_THAT(with(kLibxl + 12, 0x01000000), HasSubstr("big-endian"));
  EXPECT_THAT(with(kLibxl + 16, 2), HasSubstr("not the domain's memory"));
  EXPECT_THAT(with(kLibxl + 20, 8), HasSubstr("not the domain's memory"));
}

TEST(XlWrapper, EveryTruncationIsRefused) {
  const Bytes bytes = encode_xl_header({kFlags, "{}"});
  for (size_t n = 0; n < bytes.size(); ++n)
    EXPECT_THAT(refusal(Bytes(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(n))),
                HasSubstr("cut off"))
        << n;
}

}  // namespace
}  // namespace ferry
