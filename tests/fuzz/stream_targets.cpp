// Targets over Xen's own formats and the helper's conversation.
#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <utility>

#include "convert/import.h"
#include "error/error.h"
#include "host/channel.h"
#include "host/stream_kind.h"
#include "tests/audit/audit_image.h"
#include "tests/fuzz/targets.h"

namespace ferry::fuzz {
namespace {

// Imports a file; what comes out must be an image that can be judged.
void import(const Bytes& bytes) {
  try {
    const test::MemoryFile memory(bytes);
    const InputFile file(memory.path());
    const auto place = convert::find_libxc_stream(file);
    if (!place) return;
    MemorySink sink;
    InlineExecutor executor;
    convert::import_stream(file, *place, {.level = 0, .config = {}, .origin = {}}, sink, executor);
    test::audit_image(sink.bytes());
  } catch (const Error& error) {
    if (error.code() == Errc::internal) std::abort();  // a defect of ours, not of the input
  }
}

struct Pipe {
  Pipe() {
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) std::abort();
  }
  ~Pipe() {
    close(ends[0]);
    close(ends[1]);
  }
  int ends[2];
};

}  // namespace

void libxc(Input input) {
  import(Bytes(input.begin(), input.end()));
}

void xl(Input input) {
  import(Bytes(input.begin(), input.end()));
  try {
    MemorySource source(input);
    read_xl_header(source);
  } catch (const Error&) {
  }
}

// The first half of the input is what libxl answers, the second half what is said to it.
void helper(Input input) {
  const Input answers = input.first(std::min<size_t>(input.size() / 2, 4096));
  const std::string text(reinterpret_cast<const char*>(input.data()) + answers.size(),
                         input.size() - answers.size());
  Pipe requests, replies;
  if (write(replies.ends[1], answers.data(), answers.size()) < 0) return;
  close(std::exchange(replies.ends[1], -1));
  helper::Channel channel(requests.ends[1], replies.ends[0]);
  const auto said = [&] {  // what libxl reads: a length, and so many bytes
    char buffer[65536 + 2];
    const ssize_t n = read(requests.ends[0], buffer, sizeof buffer);
    uint16_t length = 0;
    if (n >= 2) std::memcpy(&length, buffer, sizeof length);
    if (n != length + 2) std::abort();
  };
  try {
    channel.log(helper::Level{}, text);
    said();
    channel.progress(text, text.size(), answers.size());
    said();
    channel.suspend();
    said();
    channel.static_data_done(static_cast<uint32_t>(text.size()));
    said();
    channel.complete(0, 0);
  } catch (const helper::LibxlGone&) {
  }
  const test::MemoryFile file(input);
  const int fd = open(file.path().c_str(), O_RDONLY | O_CLOEXEC);
  helper::stream_kind(fd);
  close(fd);
}

}  // namespace ferry::fuzz
