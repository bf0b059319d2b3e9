// Two simulated hosts in this process, and a link between them that can be cut.
#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "error/error.h"
#include "host/engine_here.h"
#include "migrate/send_guest.h"
#include "sim/kernel/sim_kernel.h"
#include "sim/machine/domains.h"
#include "sim/seam/binding.h"
#include "sim_toolstack/kernel_guests.h"
#include "sim_toolstack/sim_incoming.h"
#include "xen/domain.h"

namespace ferry::sim {

// Writes whole frames until there were so many, then cuts the link for both sides.
class CutSink final : public ByteSink {
 public:
  CutSink(int fd, int frames) : fd_(fd), left_(frames) {}
  void write(std::span<const std::byte> bytes) override {
    if (left_-- == 0) shutdown(fd_, SHUT_RDWR);
    FdSink(fd_, "the other host").write(bytes);
    ++written_;
  }
  int written() const { return written_; }
  bool has_cut() const { return left_ < 0; }

 private:
  int fd_, left_, written_ = 0;
};

inline constexpr int kNeverCut = 1 << 30;
inline const Peer kPeer{"the other host"};

struct Place {
  explicit Place(uint64_t seed)
      : host(Host::create({.seed = seed, .frames = 8192})),
        bind(*host),
        life(*host, xen, kernel_guests(*host)) {}
  std::unique_ptr<Host> host;
  BindThread bind;
  Hypervisor xen;
  SimLifecycle life;

  // Domains that run, by name.
  std::vector<std::string> running() const {
    HostLock lock(*host);
    std::vector<std::string> names;
    for (unsigned slot = 0; slot < kMaxDomains; ++slot) {
      Domain& d = host->state().domains[slot];
      if (host->state().domids[slot] != kNoDomain && d.domid != 0 && runnable(d) &&
          d.vcpus[0].initialised)
        names.push_back(d.name);
    }
    return names;
  }
  unsigned domains() const {
    HostLock lock(*host);
    unsigned n = 0;
    for (unsigned slot = 0; slot < kMaxDomains; ++slot)
      n += host->state().domids[slot] != kNoDomain && host->state().domids[slot] != 0;
    return n;
  }
};

class Migrate : public ::testing::Test {
 protected:
  void SetUp() override {
    signal(SIGPIPE, SIG_IGN);
    std::string folder = std::filesystem::temp_directory_path() / "ferry-migrate-XXXXXX";
    ASSERT_NE(mkdtemp(folder.data()), nullptr);
    folder_ = folder;
    setenv("FERRY_STATE_DIR", (folder + "/jobs").c_str(), 1);
    setenv("FERRY_RUN_DIR", folder.c_str(), 1);
    fresh();
  }
  void TearDown() override {
    to_.reset();
    from_.reset();
    std::filesystem::remove_all(folder_);
  }

  // New hosts, and a guest on the first.
  void fresh() {
    to_.reset();
    from_.reset();
    std::filesystem::remove_all(folder_ + "/jobs");
    from_ = std::make_unique<Place>(1);
    KernelSpec spec;
    spec.pages = 400;
    spec.growth = 100;
    spec.vcpus = 2;
    auto kernel = SimKernel::create(*from_->host, spec);
    kernel->run(60);
    checksum_ = kernel->checksum();
    from_->life.rename(domid_t{kernel->domid()}, "web1");
    to_ = std::make_unique<Place>(2);
    // Both keep their journals in one folder and are in one boot of one machine, so that their
    // domains must not have the same numbers.
    const BindThread there(*to_->host);
    to_->life.destroy(domid_t{SimKernel::create(*to_->host, KernelSpec{})->domid()});
  }

  struct Ends {
    std::optional<Errc> sender;  // its error, if it ended with one
    std::string sentence;
    std::optional<ReceiveReport> receiver;
    int frames_out = 0, frames_back = 0;
    bool cut_out = false, cut_back = false;
  };

  // Both ends over a new link; each direction is cut after so many frames.
  template <typename Send>
  Ends meet(int cut_out, int cut_back, const Send& send) {
    int fds[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    Ends ends;
    std::thread receiver([&] {
      const BindThread bind(*to_->host);
      FdSource in(fds[1], "the source");
      CutSink out(fds[1], cut_back);
      Link link(in, out);
      try {
        ReceiveHost host;
        host.make = [&](const MigrationJob& job) {
          return std::make_unique<SimIncoming>(*to_->host, to_->xen, to_->life, job);
        };
        const v1::MigrateFrame first = first_frame(link);
        ends.receiver = receive_guest(link, first, caller_, host);
      } catch (const Error&) {
      }
      ends.frames_back = out.written();
      ends.cut_back = out.has_cut();
      shutdown(fds[1], SHUT_RDWR);
    });
    {
      const BindThread bind(*from_->host);
      FdSource in(fds[0], "the destination");
      CutSink out(fds[0], cut_out);
      Link link(in, out, [&] { shutdown(fds[0], SHUT_WR); });
      try {
        send(link);
      } catch (const Error& e) {
        ends.sender = e.code();
        ends.sentence = e.what();
      }
      ends.frames_out = out.written();
      ends.cut_out = out.has_cut();
      shutdown(fds[0], SHUT_RDWR);
    }
    receiver.join();
    close(fds[0]);
    close(fds[1]);
    return ends;
  }

  Ends migrate(int cut_out = kNeverCut, int cut_back = kNeverCut) {
    return meet(cut_out, cut_back, [&](Link& link) {
      const auto executor = make_thread_executor(1);
      const SaveEngine engine = host::engine_here(from_->xen, *executor);
      const StreamEngine stream = [&](const StreamOrder& order) {
        EngineOptions options;
        options.lock = order.lock;
        EngineCallbacks callbacks;
        callbacks.suspend = order.suspend;
        engine(order.domid, order.fd, options, callbacks);
      };
      send_guest(from_->xen, from_->life, stream, link, {"web1", kPeer});
    });
  }

  std::vector<MigrationJob> open_jobs(bool source) {
    std::vector<MigrationJob> jobs;
    for (MigrationJob& job : list_jobs(false))
      if (job.source == source) jobs.push_back(std::move(job));
    return jobs;
  }

  void expect_runs(Place& place, const char* when) {
    EXPECT_EQ(place.running(), std::vector<std::string>{"web1"}) << when;
    if (::testing::Test::HasFailure()) return;
    auto kernel =
        SimKernel::attach(*place.host, static_cast<DomainNumber>(place.life.find("web1")));
    EXPECT_EQ(kernel->checksum(), checksum_) << when;
    kernel->run(30);
    EXPECT_TRUE(kernel->check_memory().empty()) << when;
  }

  ferry::Caller caller_{"the source", {}};  // who the destination knows at the other end
  std::string folder_;
  std::unique_ptr<Place> from_, to_;
  uint64_t checksum_ = 0;
};

}  // namespace ferry::sim
