// An image over several links is the same bytes, whatever their number and speed; and if one
// breaks, both ends notice.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <random>
#include <thread>

#include "error/error.h"
#include "migrate/receive_image.h"
#include "migrate/send_image.h"

namespace ferry {
namespace {

// A link of two ends; its writer dawdles after each write, or breaks after so many bytes.
class Cable {
 public:
  explicit Cable(unsigned dawdle_us = 0, uint64_t breaks_after = ~uint64_t{0}) {
    signal(SIGPIPE, SIG_IGN);
    int fds[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    ours_.reset(fds[0]);
    theirs_.reset(fds[1]);
    out_ = std::make_unique<Slow>(ours_.get(), dawdle_us, breaks_after);
    in_ = std::make_unique<FdSource>(ours_.get(), "the other end");
    far_out_ = std::make_unique<FdSink>(theirs_.get(), "the other end");
    far_in_ = std::make_unique<FdSource>(theirs_.get(), "the other end");
    near = std::make_unique<Link>(*in_, *out_, [this] { shutdown(ours_.get(), SHUT_WR); });
    far = std::make_unique<Link>(*far_in_, *far_out_);
  }
  std::unique_ptr<Link> near, far;

 private:
  struct Slow final : ByteSink {
    Slow(int descriptor, unsigned us, uint64_t bytes)
        : fd(descriptor), dawdle_us(us), left(bytes) {}
    void write(std::span<const std::byte> bytes) override {
      if (bytes.size() > left) {
        shutdown(fd, SHUT_RDWR);
        fail(Errc::io, "the link broke");
      }
      left -= bytes.size();
      FdSink(fd, "the other end").write(bytes);
      if (dawdle_us) usleep(dawdle_us);
    }
    int fd;
    unsigned dawdle_us;
    uint64_t left;
  };
  Descriptor ours_, theirs_;
  std::unique_ptr<Slow> out_;
  std::unique_ptr<ByteSource> in_, far_in_;
  std::unique_ptr<ByteSink> far_out_;
};

Bytes image(size_t bytes, unsigned seed) {
  std::mt19937_64 random(seed);
  Bytes all(bytes);
  for (size_t i = 0; i + 8 <= bytes; i += 8) {
    const uint64_t word = random();
    std::copy_n(reinterpret_cast<const std::byte*>(&word), 8, all.begin() + static_cast<long>(i));
  }
  return all;
}

struct Arrived {
  Bytes bytes;
  std::string sender, receiver;  // what each end complained of
};

Arrived send(std::vector<std::unique_ptr<Cable>>& cables, const Bytes& bytes,
             size_t receiver_fails_at = ~size_t{0}) {
  std::vector<Link*> near, far;
  for (auto& cable : cables) {
    near.push_back(cable->near.get());
    far.push_back(cable->far.get());
  }
  Arrived arrived;
  std::thread receiver([&] {
    ImageReceiver image(far);
    try {
      image.run([&](std::span<const std::byte> chunk) {
        arrived.bytes.insert(arrived.bytes.end(), chunk.begin(), chunk.end());
        if (arrived.bytes.size() > receiver_fails_at) fail(Errc::no_memory, "no room for it");
      });
    } catch (const Error& e) {
      arrived.receiver = e.what();
      try {
        far.front()->refuse(e.what());
      } catch (const Error&) {
      }
    }
  });
  {
    Patience patience({}, [] {});
    ImageSender image(near, patience);
    try {
      try {
        FdSink(image.input(), "the network").write(bytes);
      } catch (const Error&) {
      }
      image.finish();
      near.front()->send_end(image.chunks());
    } catch (const Error& e) {
      arrived.sender = e.what();
    }
    for (Link* link : near) link->hang_up();
  }
  receiver.join();
  return arrived;
}

TEST(ImageStreams, any_number_of_links_of_any_speed_carry_the_same_bytes) {
  const Bytes whole = image((9 << 20) + 12345, 1);
  for (size_t links = 1; links <= 6; ++links) {
    for (const bool uneven : {false, true}) {
      std::vector<std::unique_ptr<Cable>> cables;
      for (size_t i = 0; i < links; ++i)
        cables.push_back(std::make_unique<Cable>(uneven ? static_cast<unsigned>(i * 3000) : 0));
      const Arrived arrived = send(cables, whole);
      EXPECT_EQ(arrived.sender + arrived.receiver, "") << links;
      EXPECT_TRUE(arrived.bytes == whole) << links;
    }
  }
}

TEST(ImageStreams, an_image_of_nothing_and_of_one_byte_arrives) {
  for (const size_t bytes : {size_t{0}, size_t{1}}) {
    std::vector<std::unique_ptr<Cable>> cables;
    for (int i = 0; i < 3; ++i) cables.push_back(std::make_unique<Cable>());
    const Arrived arrived = send(cables, image(bytes, 2));
    EXPECT_EQ(arrived.sender + arrived.receiver, "");
    EXPECT_EQ(arrived.bytes.size(), bytes);
  }
}

TEST(ImageStreams, a_link_that_breaks_anywhere_is_noticed_at_both_ends) {
  const Bytes whole = image(5 << 20, 3);
  for (size_t broken = 0; broken < 3; ++broken) {
    for (const uint64_t after : {uint64_t{0}, uint64_t{5}, uint64_t{1} << 19, uint64_t{1} << 20}) {
      std::vector<std::unique_ptr<Cable>> cables;
      for (size_t i = 0; i < 3; ++i)
        cables.push_back(std::make_unique<Cable>(1000, i == broken ? after : ~uint64_t{0}));
      const Arrived arrived = send(cables, whole);
      EXPECT_NE(arrived.sender, "") << broken << " after " << after;
      EXPECT_NE(arrived.receiver, "") << broken << " after " << after;
    }
  }
}

TEST(ImageStreams, a_receiver_that_fails_lets_the_sender_finish) {
  std::vector<std::unique_ptr<Cable>> cables;
  for (int i = 0; i < 2; ++i) cables.push_back(std::make_unique<Cable>());
  const Arrived arrived = send(cables, image(8 << 20, 4), 2 << 20);
  EXPECT_EQ(arrived.receiver, "no room for it");
}

TEST(ImageStreams, a_peer_that_lies_about_the_image_is_refused) {
  const auto receive = [](auto say) {
    Cable cable;
    std::string complaint;
    std::thread receiver([&] {
      ImageReceiver image({cable.far.get()});
      try {
        image.run([](std::span<const std::byte>) {});
      } catch (const Error& e) {
        complaint = e.what();
      }
    });
    say(*cable.near);
    cable.near->hang_up();
    receiver.join();
    return complaint;
  };
  const Bytes some(10);
  EXPECT_EQ(receive([&](Link& link) {
              link.send_chunk(0, some);
              link.send_end(1);
            }),
            "");
  EXPECT_NE(receive([&](Link& link) { link.send_end(1); }), "");
  EXPECT_NE(receive([&](Link& link) { link.send_chunk(0, {}); }), "");
  EXPECT_NE(receive([&](Link& link) { link.send_chunk(0, Bytes(kChunkBytes + 1)); }), "");
  EXPECT_NE(receive([&](Link& link) {
              link.send_chunk(0, some);
              link.send_chunk(0, some);
            }),
            "");
  EXPECT_NE(receive([&](Link& link) { link.send(HandoverMessage::kept); }), "");
  EXPECT_NE(receive([&](Link& link) { link.refuse("no"); }), "");
}

TEST(Link, a_chunk_is_the_frame_that_the_generated_classes_make) {
  for (const uint64_t number : {uint64_t{0}, uint64_t{1}, uint64_t{300}, ~uint64_t{0}}) {
    for (const size_t bytes : {size_t{1}, size_t{127}, size_t{128}, kChunkBytes}) {
      MemorySink out;
      MemorySource nothing({});
      Link(nothing, out).send_chunk(number, image(bytes, 5));
      MemorySource in(out.bytes());
      MemorySink answers;
      const auto frame = Link(in, answers).receive();
      ASSERT_TRUE(frame && frame->has_chunk());
      EXPECT_EQ(frame->chunk().number(), number);
      EXPECT_EQ(frame->chunk().data().size(), bytes);
      EXPECT_EQ(frame->ByteSizeLong() + 4 + (number == 0 ? 2 : 0), out.bytes().size());
    }
  }
}

// As a host may write them that is not this program: in another order, with the challenge, with
// what nobody knows.
TEST(Link, a_chunk_may_be_put_together_in_any_way) {
  const Bytes bytes = image(70'000, 5);
  v1::MigrateFrame frame;
  frame.mutable_chunk()->set_number(0);
  frame.mutable_chunk()->set_data(bytes.data(), bytes.size());
  v1::MigrateFrame with_challenge = frame;
  with_challenge.set_challenge(std::string(32, 'c'));
  const std::string plain = frame.SerializeAsString();
  const std::string unknown = plain + std::string("\xf8\x3f\x01", 3);
  for (const std::string& body : {plain, with_challenge.SerializeAsString(), unknown}) {
    Bytes all(4);
    for (unsigned i = 0; i < 4; ++i) all[i] = static_cast<std::byte>(body.size() >> (8 * i));
    const auto rest = std::as_bytes(std::span(body));
    all.insert(all.end(), rest.begin(), rest.end());
    MemorySource in(all);
    MemorySink answers;
    ImageChunk chunk{.memory = Bytes(100'000)};
    const auto got = Link(in, answers).receive(chunk);
    ASSERT_TRUE(got && got->has_chunk());
    EXPECT_EQ(Bytes(chunk.bytes().begin(), chunk.bytes().end()), bytes);
  }
}

TEST(Link, a_chunk_that_breaks_off_anywhere_is_no_frame) {
  MemorySink out;
  MemorySource nothing({});
  Link(nothing, out).send_chunk(300, image(200, 5));
  for (size_t size = 1; size < out.bytes().size(); ++size) {
    MemorySource in(std::span(out.bytes()).first(size));
    MemorySink answers;
    EXPECT_THROW(Link(in, answers).receive(), Error) << size;
  }
}

}  // namespace
}  // namespace ferry
