// The helper's end of its conversation with libxl.
#include "host/channel.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include "text/printable.h"

namespace ferry::helper {
namespace {

constexpr std::string_view kContext = "ferry";
constexpr size_t kLongestText = 8192;  // far below kMaxMessage; nobody reads longer lines

}  // namespace

class Channel::Packer {
 public:
  explicit Packer(Message message) { put(static_cast<uint16_t>(message)); }

  template <typename T>
  Packer& put(T value) {
    const size_t at = bytes_.size();
    bytes_.resize(at + sizeof value);
    std::memcpy(bytes_.data() + at, &value, sizeof value);
    return *this;
  }
  Packer& text(std::string_view text) {
    text = text.substr(0, kLongestText);
    put(static_cast<uint32_t>(text.size() + 1));
    bytes_.insert(bytes_.end(), text.begin(), text.end());
    bytes_.push_back('\0');
    return *this;
  }
  const std::vector<char>& bytes() const { return bytes_; }

 private:
  std::vector<char> bytes_;
};

void Channel::send(const std::vector<char>& message) {
  const auto length = static_cast<uint16_t>(message.size());
  const auto* prefix = reinterpret_cast<const char*>(&length);
  std::vector<char> framed(prefix, prefix + sizeof length);
  framed.insert(framed.end(), message.begin(), message.end());
  for (size_t done = 0; done < framed.size();) {
    ssize_t n = write(requests_, framed.data() + done, framed.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) throw LibxlGone();
    done += static_cast<size_t>(n);
  }
}

int Channel::reply() {
  int32_t answer = 0;
  for (size_t done = 0; done < sizeof answer;) {
    ssize_t n = read(replies_, reinterpret_cast<char*>(&answer) + done, sizeof answer - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) throw LibxlGone();
    done += static_cast<size_t>(n);
  }
  return answer;
}

void Channel::log(Level level, std::string_view text, int os_errno) {
  const std::string line = printable(text);  // xl puts it on a terminal, and in its log, as it is
  send(Packer(Message::log)
           .put(static_cast<uint32_t>(level))
           .put(static_cast<uint32_t>(os_errno))
           .text(kContext)
           .text(line)
           .bytes());
}

void Channel::progress(std::string_view what, uint64_t done, uint64_t total) {
  send(Packer(Message::progress).text(kContext).text(what).put(done).put(total).bytes());
}

int Channel::suspend() {
  send(Packer(Message::suspend).bytes());
  return reply();
}

int Channel::static_data_done(uint32_t missing) {
  send(Packer(Message::static_data_done).put(missing).bytes());
  return reply();
}

void Channel::restore_results(uint64_t store_mfn, uint64_t console_mfn) {
  send(Packer(Message::restore_results).put(store_mfn).put(console_mfn).bytes());
}

void Channel::complete(int retval, int os_errno) {
  send(Packer(Message::complete).put(int32_t{retval}).put(int32_t{os_errno}).bytes());
  reply();
}

}  // namespace ferry::helper
