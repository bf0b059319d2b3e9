// TLS between two ends on loopback: what passes, and who is not let in, in a sentence.
#include "network/tls.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <future>
#include <thread>

#include "error/error.h"
#include "network/tcp.h"
#include "tests/network/certificates.h"

namespace ferry {
namespace {

// A port of this machine, and whoever calls there first.
class Door {
 public:
  Door() : listening_(std::move(listen_tcp({"127.0.0.1", 0}).front())) {
    sockaddr_in address = {};
    socklen_t size = sizeof address;
    getsockname(listening_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
  }
  uint16_t port() const { return port_; }
  Descriptor open() const {
    pollfd ready = {listening_.get(), POLLIN, 0};
    poll(&ready, 1, 10'000);
    return Descriptor(accept4(listening_.get(), nullptr, nullptr, SOCK_NONBLOCK));
  }

 private:
  Descriptor listening_;
  uint16_t port_ = 0;
};

class Tls : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    certificates_ = std::make_unique<Certificates>();
    here_ = certificates_->issue("here", "DNS:here.example");
    there_ = certificates_->issue("there", "DNS:localhost,IP:127.0.0.1");
  }
  static void TearDownTestSuite() { certificates_.reset(); }

  struct Ends {
    std::unique_ptr<TlsStream> here, there;
    std::string here_says, there_says;
  };

  // Both handshakes; what each end said if it failed. A failure of the one that accepts reaches the
  // other only with the first bytes read.
  static Ends meet(const TlsFiles& here, const TlsFiles& there, const std::string& wanted) {
    const Door door;
    Ends ends;
    std::thread accepting([&] {
      try {
        ends.there = TlsStream::accept(door.open(), TlsContext(there), "the source");
      } catch (const Error& e) {
        ends.there_says = e.what();
      }
    });
    try {
      Descriptor socket = connect_tcp({"127.0.0.1", door.port()});
      ends.here = TlsStream::connect(std::move(socket), TlsContext(here), wanted);
    } catch (const Error& e) {
      ends.here_says = e.what();
    }
    accepting.join();
    return ends;
  }

  static inline std::unique_ptr<Certificates> certificates_;
  static inline TlsFiles here_, there_;
};

TEST_F(Tls, carries_both_directions_at_once_and_knows_both_ends) {
  Ends ends = meet(here_, there_, "localhost");
  ASSERT_TRUE(ends.here && ends.there) << ends.here_says << ends.there_says;
  EXPECT_EQ(ends.there->peer_names(), std::vector<std::string>{"here.example"});
  EXPECT_EQ(ends.here->peer_names(), (std::vector<std::string>{"localhost", "127.0.0.1"}));
  EXPECT_EQ(ends.here->peer_fingerprint().size(), 32u);

  constexpr size_t kBytes = 8 << 20;
  const auto send = [](TlsStream& stream, uint8_t seed) {
    Bytes bytes(kBytes);
    for (size_t i = 0; i < kBytes; ++i) bytes[i] = static_cast<std::byte>(i * seed + (i >> 12));
    stream.write(bytes);
    stream.finish();
    return bytes;
  };
  const auto receive = [](TlsStream& stream) {
    Bytes bytes(kBytes + 1);
    bytes.resize(stream.read(bytes));
    return bytes;
  };
  auto out = std::async(std::launch::async, send, std::ref(*ends.here), 3);
  auto back = std::async(std::launch::async, send, std::ref(*ends.there), 5);
  auto arrived = std::async(std::launch::async, receive, std::ref(*ends.there));
  const Bytes came_back = receive(*ends.here);
  EXPECT_EQ(arrived.get(), out.get());
  EXPECT_EQ(came_back, back.get());
}

TEST_F(Tls, takes_an_address_if_the_certificate_has_it) {
  const Ends ends = meet(here_, there_, "127.0.0.1");
  EXPECT_TRUE(ends.here && ends.there) << ends.here_says << ends.there_says;
}

TEST_F(Tls, refuses_a_certificate_for_another_host) {
  const Ends ends = meet(here_, there_, "host3.example");
  EXPECT_NE(ends.here_says.find("certificate of host3.example is not accepted here"),
            std::string::npos)
      << ends.here_says;
}

TEST_F(Tls, refuses_a_host_that_another_authority_vouches_for) {
  const Certificates others;
  const TlsFiles stranger = others.issue("stranger", "DNS:localhost");
  const Ends called = meet(here_, stranger, "localhost");
  EXPECT_NE(called.here_says.find("is not accepted here"), std::string::npos) << called.here_says;

  TlsFiles caller = others.issue("caller", "DNS:caller.example");
  caller.authority = here_.authority;
  Ends calling = meet(caller, there_, "localhost");
  EXPECT_NE(calling.there_says.find("is not accepted here"), std::string::npos)
      << calling.there_says;
  ASSERT_TRUE(calling.here);  // it learns of it from the first answer
  Bytes answer(1);
  try {
    calling.here->read(answer);
    ADD_FAILURE() << "a stranger was answered";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("does not accept this host's certificate"),
              std::string::npos)
        << e.what();
  }
}

TEST_F(Tls, a_stream_that_is_cut_is_no_end) {
  Ends ends = meet(here_, there_, "localhost");
  ASSERT_TRUE(ends.here && ends.there);
  ends.here->cut();
  Bytes bytes(1);
  EXPECT_THROW(ends.there->read(bytes), Error);
  EXPECT_THROW(ends.here->read(bytes), Error);
  EXPECT_THROW(
      {
        for (int i = 0; i < 100; ++i) ends.there->write(Bytes(1 << 20));
      },
      Error);
}

TEST_F(Tls, names_the_file_that_is_missing_or_wrong) {
  const auto sentence = [](const TlsFiles& files) -> std::string {
    try {
      TlsContext context(files);
    } catch (const Error& e) {
      return e.what();
    }
    return "no error";
  };
  TlsFiles files = here_;
  EXPECT_EQ(sentence(files), "no error");
  files.key = certificates_->path("nowhere.key");
  EXPECT_NE(sentence(files).find("nowhere.key: No such file"), std::string::npos)
      << sentence(files);
  files.key = there_.key;
  EXPECT_NE(sentence(files).find("there.key cannot be used"), std::string::npos) << sentence(files);
  files = here_;
  files.certificate = "/proc/version";
  EXPECT_NE(sentence(files).find("/proc/version cannot be used"), std::string::npos)
      << sentence(files);
  files = certificates_->issue("open", "DNS:open.example");
  chmod(files.key.c_str(), 0644);
  EXPECT_NE(sentence(files).find("can be read by others"), std::string::npos) << sentence(files);
}

TEST_F(Tls, nothing_older_is_spoken) {
  const Door door;
  std::string there_says;
  std::thread accepting([&] {
    try {
      TlsStream::accept(door.open(), TlsContext(there_), "the source");
    } catch (const Error& e) {
      there_says = e.what();
    }
  });
  const std::string command =
      "openssl s_client -tls1_2 -connect 127.0.0.1:" + std::to_string(door.port()) +
      " </dev/null >/dev/null 2>&1";
  EXPECT_NE(std::system(command.c_str()), 0);
  accepting.join();
  EXPECT_NE(there_says.find("unsupported protocol"), std::string::npos) << there_says;
}

TEST(Tcp, a_host_that_is_not_there_is_named) {
  try {
    connect_tcp({"127.0.0.1", 1});
    ADD_FAILURE() << "something listens at port 1";
  } catch (const Error& e) {
    EXPECT_EQ(std::string(e.what()), "cannot reach 127.0.0.1:1: Connection refused");
  }
}

}  // namespace
}  // namespace ferry
