// A peer that lives and does not read is waited for: its host acknowledges, only its window is
// full. TCP's own time-out counted that as silence and cut the connection after 30 seconds.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <thread>
#include <vector>

#include "network/tcp.h"

namespace ferry {
namespace {

TEST(SlowPeer, is_not_taken_for_gone) {
  const std::vector<Descriptor> listening = listen_tcp({"127.0.0.1", 0});
  sockaddr_in address = {};
  socklen_t size = sizeof address;
  getsockname(listening.front().get(), reinterpret_cast<sockaddr*>(&address), &size);
  const Descriptor source = connect_tcp({"127.0.0.1", ntohs(address.sin_port)});
  const Descriptor slow(accept(listening.front().get(), nullptr, nullptr));
  ASSERT_TRUE(slow);
  tune_tcp(slow.get());

  std::vector<char> bytes(1 << 16);
  uint64_t sent = 0;
  const auto fill = [&] {
    for (ssize_t n; (n = send(source.get(), bytes.data(), bytes.size(), MSG_DONTWAIT)) > 0;)
      sent += static_cast<uint64_t>(n);
  };
  fill();
  const auto until = std::chrono::steady_clock::now() + kPeerTimeout + std::chrono::seconds(8);
  while (std::chrono::steady_clock::now() < until) {
    pollfd state = {source.get(), 0, 0};
    ASSERT_EQ(poll(&state, 1, 0), 0) << "cut";
    ASSERT_FALSE(peer_is_gone(source.get()));
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
  }
  uint64_t taken = 0;
  while (taken < sent) {
    const ssize_t n = recv(slow.get(), bytes.data(), bytes.size(), 0);
    ASSERT_GT(n, 0);
    taken += static_cast<uint64_t>(n);
  }
  pollfd writable = {source.get(), POLLOUT, 0};
  EXPECT_EQ(poll(&writable, 1, 10'000), 1);
  EXPECT_EQ(writable.revents, POLLOUT);
}

}  // namespace
}  // namespace ferry
