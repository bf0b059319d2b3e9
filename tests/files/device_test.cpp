// An image on a block device, which has more bytes than the image and may have held another one.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <string>

#include "error/error.h"
#include "files/image_output.h"
#include "io/block_device.h"
#include "proto/image_file.h"
#include "proto/xl_wrapper.h"
#include "tests/files/folder.h"
#include "tests/proto/sample_image.h"

namespace ferry {
namespace {

constexpr size_t kDeviceBytes = 1 << 16;

class Device : public ::testing::Test {
 protected:
  void SetUp() override { put({}); }

  // It holds these bytes, and noise.
  void put(std::span<const std::byte> bytes) {
    Bytes all(kDeviceBytes);
    uint32_t noise = 1;
    for (std::byte& byte : all) byte = static_cast<std::byte>((noise = noise * 1664525 + 7) >> 24);
    std::ranges::copy(bytes, all.begin());
    std::ofstream(path_, std::ios::binary)
        .write(reinterpret_cast<const char*>(all.data()), static_cast<std::streamsize>(all.size()));
  }
  // As an engine writes it, some bytes at a time.
  static void write(int fd, std::span<const std::byte> bytes) {
    FdSink fd_sink(fd, "the device");
    DeviceSink sink(fd_sink, fd);
    for (constexpr size_t kStep = 50; !bytes.empty();) {
      const size_t n = std::min(bytes.size(), kStep);
      sink.write(bytes.first(n));
      bytes = bytes.subspan(n);
    }
  }
  std::string refusal() const {
    try {
      ImageFile::open(path_);
      return "";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), Errc::bad_image) << e.what();
      return e.what();
    }
  }
  void expect_whole() const {
    const ImageFile opened = ImageFile::open(path_);
    EXPECT_EQ(opened.place().bytes, image_.size());
    Bytes read(image_.size() + 1);
    read.resize(opened.stream()->read(read));
    EXPECT_EQ(read, image_);
    test::read_stream(read);
  }

  TestFolder folder_;
  std::string path_ = folder_.path("disk.blk");
  Bytes image_ = test::sample_image(1);
};

TEST_F(Device, holds_an_image_once_it_is_committed) {
  {
    ImageOutput output(path_, ImageOutput::Takes::any);
    EXPECT_TRUE(output.durable());
    write(output.fd(), image_);
    EXPECT_NE(refusal().find("broken off"), std::string::npos) << refusal();
    output.commit();
  }
  expect_whole();
  EXPECT_EQ(folder_.files(), 1u);
}

// Also if it is byte for byte the one that was there, of a guest that has not changed since.
TEST_F(Device, never_looks_sound_while_another_image_is_written_over_one) {
  for (size_t cut = 1; cut <= image_.size(); cut += 61) {
    put(image_);
    expect_whole();
    ImageOutput output(path_, ImageOutput::Takes::any);
    write(output.fd(), std::span(image_).first(cut));
    ASSERT_NE(refusal(), "") << "cut after " << cut << " bytes";
  }
}

TEST_F(Device, keeps_what_it_holds_until_something_is_written) {
  put(image_);
  { const ImageOutput output(path_, ImageOutput::Takes::any); }
  expect_whole();
}

TEST_F(Device, holds_no_image_that_was_withdrawn) {
  {
    ImageOutput output(path_, ImageOutput::Takes::any);
    write(output.fd(), image_);
    output.commit();
    output.withdraw();
  }
  EXPECT_NE(refusal(), "");
}

// xl writes its header itself, and what follows the image too.
TEST_F(Device, holds_a_file_of_xl_whose_image_its_helper_has_finished) {
  const int fd = open(path_.c_str(), O_WRONLY);
  FdSink xl(fd, "the device");
  xl.write(encode_xl_header({kXlFlagJson | kXlFlagStreamV2, "{}"}));
  DeviceSink helper(xl, fd);
  helper.write(image_);
  EXPECT_NE(refusal().find("broken off"), std::string::npos) << refusal();
  helper.finish();
  xl.write(encode_libxl_end());
  close(fd);
  EXPECT_TRUE(ImageFile::open(path_).place().in_xl_file);
  expect_whole();
}

TEST_F(Device, that_is_smaller_than_its_image_holds_none) {
  put(image_);
  ASSERT_EQ(truncate(path_.c_str(), static_cast<off_t>(image_.size() - 1)), 0);
  EXPECT_NE(refusal().find("ends before"), std::string::npos) << refusal();
  ASSERT_EQ(truncate(path_.c_str(), 0), 0);
  EXPECT_NE(refusal(), "");
}

// What is no image may lie anywhere, but not where another program expects it.
TEST_F(Device, is_nothing_for_what_is_no_image) {
  EXPECT_THROW(ImageOutput output(path_), Error);
}

}  // namespace
}  // namespace ferry
