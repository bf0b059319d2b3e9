// What it costs that TLS and the messages of a migration are taken apart by a process without
// rights: the same chunks of an image over loopback, once decrypted and decoded in this process and
// once in such a one, in pairs that take turns in who goes first. What sends them is a process of
// its own, which is not counted. Nobody makes a guest of them, so of a whole migration the cost is
// less.
//
//   bench_receive [MIB [PAIRS]]      size of the image (512), pairs (15)
#include <arpa/inet.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "bench/cost.h"
#include "host/confined_tls.h"
#include "host/tls_settings.h"
#include "migrate/link.h"
#include "network/tcp.h"
#include "network/tls.h"

namespace ferry {
namespace {

class Certificate {
 public:
  Certificate() {
    std::string name = std::filesystem::temp_directory_path() / "bench_receive.XXXXXX";
    folder_ = mkdtemp(name.data());
    const std::string make = fmt::format(
        "cd {} && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc "
        "-days 2 -subj /CN=bench -addext subjectAltName=DNS:localhost -keyout key.pem "
        "-out cert.pem 2>log && chmod 600 key.pem",
        folder_);
    if (std::system(make.c_str()) != 0) std::abort();
    setenv("FERRY_TLS_CA", (folder_ + "/cert.pem").c_str(), 1);
    setenv("FERRY_TLS_CERT", (folder_ + "/cert.pem").c_str(), 1);
    setenv("FERRY_TLS_KEY", (folder_ + "/key.pem").c_str(), 1);
  }
  ~Certificate() { std::filesystem::remove_all(folder_); }
  Certificate(const Certificate&) = delete;
  Certificate& operator=(const Certificate&) = delete;

 private:
  std::string folder_;
};

void send_image(uint16_t port, uint64_t mib) {
  const auto tls = TlsStream::connect(connect_tcp({"127.0.0.1", port}),
                                      TlsContext(host::tls_files()), "localhost");
  Link link(*tls, *tls);
  v1::MigrateFrame first;
  first.mutable_hello()->set_version(kMigrateVersion);
  first.mutable_hello()->set_job(std::string(16, 'j'));
  link.send(first);
  std::mt19937_64 random(1);
  Bytes chunk(kChunkBytes);
  for (std::byte& byte : chunk) byte = static_cast<std::byte>(random());
  for (uint64_t number = 0; number < mib; ++number) link.send_chunk(number, chunk);
  link.send_end(mib);
  tls->finish();
  while (link.receive()) {
  }
}

// A connection from a process that sends the image.
class Source {
 public:
  explicit Source(uint64_t mib) {
    const std::vector<Descriptor> listening = listen_tcp({"127.0.0.1", 0});
    sockaddr_in address = {};
    socklen_t size = sizeof address;
    getsockname(listening.front().get(), reinterpret_cast<sockaddr*>(&address), &size);
    pid_ = fork();
    if (pid_ == 0) {
      send_image(ntohs(address.sin_port), mib);
      _exit(0);
    }
    while (!socket_) {
      socket_.reset(
          accept4(listening.front().get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (!socket_) usleep(1000);
    }
    tune_tcp(socket_.get());
  }
  ~Source() { waitpid(pid_, nullptr, 0); }
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;

  Descriptor take() { return std::move(socket_); }

 private:
  pid_t pid_ = -1;
  Descriptor socket_;
};

void take_image(Link& link, uint64_t mib) {
  uint64_t came = 0;
  ImageChunk chunk;
  while (const auto frame = link.receive(chunk))
    if (frame->has_chunk()) came += chunk.size;
  if (came != mib << 20) std::abort();
}

// Of what takes the image, not of what sends it.
template <typename Take>
Cost cost_of_taking(uint64_t mib, Take take) {
  Source source(mib);
  return cost_of([&] { take(source.take()); });
}

Cost receive_here(uint64_t mib) {
  return cost_of_taking(mib, [&](Descriptor socket) {
    const auto tls =
        TlsStream::accept(std::move(socket), TlsContext(host::tls_files()), "the source");
    Link link(*tls, *tls);
    take_image(link, mib);
    tls->finish();
  });
}

Cost receive_confined(uint64_t mib) {
  return cost_of_taking(mib, [&](Descriptor socket) {
    host::ConfinedTls tls(std::move(socket), "the source", true);
    tls.called();
    FdSource in(tls.connection(), "the source");
    FdSink out(tls.connection(), "the source");
    Link link(in, out);
    link.read_plain_form();
    take_image(link, mib);
  });
}

double median(std::vector<double> all) {
  std::sort(all.begin(), all.end());
  return all[all.size() / 2];
}

int run(uint64_t mib, uint64_t pairs) {
  const Certificate certificate;
  std::vector<double> seconds, cpu, here_seconds, more_cpu;
  for (uint64_t pair = 0; pair < pairs; ++pair) {
    Cost here, confined;
    if (pair % 2 == 0) here = receive_here(mib);
    confined = receive_confined(mib);
    if (pair % 2 != 0) here = receive_here(mib);
    here_seconds.push_back(here.seconds);
    seconds.push_back(confined.seconds / here.seconds);
    cpu.push_back(confined.cpu / here.cpu);
    more_cpu.push_back((confined.cpu - here.cpu) * 1024 / static_cast<double>(mib));
  }
  fmt::print("{} MiB, {} pairs; here {:.0f} MiB/s\n", mib, pairs,
             static_cast<double>(mib) / median(here_seconds));
  fmt::print("confined / here, medians of pairs: time {:.3f}, processor time {:.3f}\n",
             median(seconds), median(cpu));
  fmt::print("more processor time: {:.2f} s for each GiB\n", median(more_cpu));
  return EXIT_SUCCESS;
}

}  // namespace
}  // namespace ferry

int main(int argc, char** argv) {
  signal(SIGPIPE, SIG_IGN);
  const auto number = [&](int which, uint64_t otherwise) {
    return argc > which ? std::strtoull(argv[which], nullptr, 10) : otherwise;
  };
  return ferry::run(number(1, 512), number(2, 15));
}
