// A guest moves between two simulated hosts over a link that is cut at every message.
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
namespace {

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

 private:
  int fd_, left_, written_ = 0;
};

constexpr int kNeverCut = 1 << 30;
const Peer kPeer{"the other host"};

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
  }

  struct Ends {
    std::optional<Errc> sender;  // its error, if it ended with one
    std::string sentence;
    std::optional<ReceiveReport> receiver;
    int frames_out = 0, frames_back = 0;
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

TEST_F(Migrate, a_guest_runs_there_and_is_gone_here) {
  const Ends ends = migrate();
  EXPECT_FALSE(ends.sender) << ends.sentence;
  EXPECT_EQ(from_->domains(), 0u);
  EXPECT_TRUE(list_jobs(false).empty());
  expect_runs(*to_, "after the migration");
}

TEST_F(Migrate, a_link_cut_at_any_message_leaves_one_guest_which_runs_once_both_met_again) {
  const Ends whole = migrate();
  ASSERT_FALSE(whole.sender) << whole.sentence;
  unsigned here = 0, there = 0, settled_later = 0;
  for (int cut = 0; cut < whole.frames_out + whole.frames_back; ++cut) {
    fresh();
    const bool out = cut < whole.frames_out;
    const std::string when =
        out ? fmt::format("cut before message {} to the destination", cut + 1)
            : fmt::format("cut before message {} to the source", cut - whole.frames_out + 1);
    const Ends ends = migrate(out ? cut : kNeverCut, out ? kNeverCut : cut - whole.frames_out);
    EXPECT_TRUE(ends.sender) << when;
    EXPECT_LE(from_->running().size() + to_->running().size(), 1u) << when;
    EXPECT_GE(from_->domains() + to_->domains(), 1u) << when;
    const std::vector<MigrationJob> open = open_jobs(true);
    if (ends.sender == Errc::needs_operator) {
      ASSERT_EQ(open.size(), 1u) << when;
      EXPECT_NE(ends.sentence.find("ferry job resume " + open[0].id), std::string::npos);
      const Ends again = meet(kNeverCut, kNeverCut, [&](Link& link) {
        settle_sent_guest(from_->xen, from_->life, link, open[0], Wanted::anywhere);
      });
      EXPECT_FALSE(again.sender) << when << ": " << again.sentence;
      ++settled_later;
    }
    EXPECT_TRUE(open_jobs(true).empty()) << when;
    // A copy that the destination holds for nothing goes when it is told so.
    for (const MigrationJob& held : open_jobs(false))
      meet(kNeverCut, kNeverCut, [&](Link& link) {
        settle_sent_guest(from_->xen, from_->life, link, find_job(held.id, true).value(),
                          Wanted::anywhere);
      });
    EXPECT_TRUE(list_jobs(false).empty()) << when;
    EXPECT_EQ(from_->running().size() + to_->running().size(), 1u) << when;
    const bool runs_here = from_->running().size() == 1;
    ++(runs_here ? here : there);
    expect_runs(runs_here ? *from_ : *to_, when.c_str());
    EXPECT_EQ((runs_here ? *to_ : *from_).domains(), 0u) << when;
    if (HasFailure()) return;
  }
  fmt::print("{} cuts: the guest ran on here {} times, there {} times; {} were settled later\n",
             whole.frames_out + whole.frames_back, here, there, settled_later);
  EXPECT_GT(settled_later, 0u);
}

TEST_F(Migrate, a_guest_that_is_wanted_back_comes_back_if_it_never_ran) {
  // The go is lost: message number (frames - 1) to the destination.
  const Ends whole = migrate();
  fresh();
  const Ends ends = migrate(whole.frames_out - 1);
  ASSERT_EQ(ends.sender, Errc::needs_operator) << ends.sentence;
  const std::vector<MigrationJob> open = open_jobs(true);
  ASSERT_EQ(open.size(), 1u);
  EXPECT_THROW(take_back_sent_guest(from_->xen, from_->life, open[0], false), Error);
  std::optional<Settled> settled;
  const Ends again = meet(kNeverCut, kNeverCut, [&](Link& link) {
    settled = settle_sent_guest(from_->xen, from_->life, link, open[0], Wanted::here);
  });
  EXPECT_FALSE(again.sender) << again.sentence;
  // A status that came first may have been answered with a go; either way one runs.
  EXPECT_EQ(from_->running().size() + to_->running().size(), 1u);
  expect_runs(settled == Settled::runs_here ? *from_ : *to_, "wanted back");
}

TEST_F(Migrate, regression_a_job_whose_sender_died_while_it_sent_settles_at_once) {
  const domid_t domid = from_->life.find("web1");
  const auto uuid = get_domain(from_->xen, domid).uuid;
  MigrationJob job;
  job.id = new_job_id();
  job.state = static_cast<unsigned>(SourceState::sending);
  job.name = "web1";
  job.uuid.assign(uuid.begin(), uuid.end());
  job.peer = kPeer;
  job.source_secret = new_secret();
  JobJournal(job).write(SourceState::sending);
  from_->life.suspend(domid);
  std::optional<Settled> settled;
  const Ends ends = meet(kNeverCut, kNeverCut, [&](Link& link) {
    settled = settle_sent_guest(from_->xen, from_->life, link, job, Wanted::anywhere);
  });
  EXPECT_FALSE(ends.sender) << ends.sentence;
  EXPECT_EQ(settled, Settled::runs_here);
  EXPECT_TRUE(open_jobs(true).empty());
  expect_runs(*from_, "after its sender died");
}

TEST_F(Migrate, a_host_without_room_says_so_and_the_guest_runs_on) {
  to_ = nullptr;
  to_ = std::make_unique<Place>(3);
  to_->host->state().free_pages = 100;
  const Ends ends = migrate();
  EXPECT_TRUE(ends.sender);
  EXPECT_NE(ends.sentence.find("runs on here"), std::string::npos) << ends.sentence;
  expect_runs(*from_, "refused");
}

TEST_F(Migrate, regression_one_that_is_told_to_stop_says_that_and_not_what_the_other_side_said) {
  for (const bool suspended : {false, true}) {
    fresh();
    const StreamEngine engine = [&](const StreamOrder& order) {
      if (suspended) order.suspend();
      fail(Errc::aborted, "the save was told to stop");
    };
    const Ends ends = meet(kNeverCut, kNeverCut, [&](Link& link) {
      send_guest(from_->xen, from_->life, engine, link, {"web1", kPeer});
    });
    EXPECT_EQ(ends.sender, Errc::aborted);
    EXPECT_EQ(ends.sentence, "the migration was told to stop; web1 runs on here");
    EXPECT_TRUE(list_jobs(false).empty());
    expect_runs(*from_, "told to stop");
  }
}

// A go that is lost leaves the guest given away here, and held there.
class GivenAway : public Migrate {
 protected:
  MigrationJob given_away() {
    const Ends whole = migrate();
    fresh();
    EXPECT_EQ(migrate(whole.frames_out - 1).sender, Errc::needs_operator);
    const std::vector<MigrationJob> open = open_jobs(true);
    EXPECT_EQ(open.size(), 1u);
    return open.empty() ? MigrationJob{} : open.front();
  }
  Ends settle(const MigrationJob& job) {
    JobJournal(job).write(job.source_state());  // it is read again under the job's lock
    return meet(kNeverCut, kNeverCut, [&](Link& link) {
      settle_sent_guest(from_->xen, from_->life, link, job, Wanted::anywhere);
    });
  }
  void expect_not_settled(const Ends& ends) {
    EXPECT_TRUE(ends.sender);
    EXPECT_NE(ends.sentence.find("belongs to somebody else"), std::string::npos) << ends.sentence;
    EXPECT_TRUE(to_->running().empty());
    EXPECT_EQ(to_->domains(), 1u);
    EXPECT_EQ(open_jobs(false).size(), 1u);
  }
};

TEST_F(GivenAway, is_settled_by_nobody_who_does_not_know_its_secret) {
  const MigrationJob job = given_away();
  for (const std::string& guessed : {std::string(), std::string(32, 'x'), new_secret()}) {
    MigrationJob guess = job;
    guess.source_secret = guessed;
    EXPECT_TRUE(settle(guess).sender);
    EXPECT_TRUE(to_->running().empty());
  }
  EXPECT_FALSE(settle(job).sender);
  expect_runs(*to_, "settled by its source");
}

TEST_F(GivenAway, is_settled_by_no_other_host_of_the_authority) {
  caller_ = {"a", {"a.example"}};
  const MigrationJob job = given_away();
  for (const ferry::Caller& third :
       {ferry::Caller{"c", {"c.example"}}, ferry::Caller{"somebody", {}}}) {
    caller_ = third;
    expect_not_settled(settle(job));
  }
  caller_ = {"a", {"a.example", "new.example"}};  // its certificate was renewed
  EXPECT_FALSE(settle(job).sender);
  expect_runs(*to_, "settled with a renewed certificate");
}

TEST_F(GivenAway, is_not_settled_with_a_destination_that_does_not_know_its_secret) {
  MigrationJob job = given_away();
  job.destination_secret = new_secret();
  const Ends ends = settle(job);
  EXPECT_EQ(ends.sender, Errc::needs_operator);  // it is given away, and stands still here
  EXPECT_NE(ends.sentence.find("is not the host that job"), std::string::npos) << ends.sentence;
  EXPECT_TRUE(from_->running().empty());
}

TEST_F(GivenAway, keeps_another_job_of_the_same_guest_out_until_it_is_settled) {
  MigrationJob job = given_away();
  take_back_sent_guest(from_->xen, from_->life, job, true);
  job.state = static_cast<unsigned>(SourceState::taken_back);
  job.source_secret = new_secret();  // whoever has the guest now cannot show that it is his
  JobJournal(job).write(SourceState::taken_back);
  const Ends again = migrate();
  EXPECT_TRUE(again.sender);
  EXPECT_NE(again.sentence.find("from an earlier migration, job " + job.id), std::string::npos)
      << again.sentence;
  expect_runs(*from_, "refused");
}

TEST_F(GivenAway, leaves_nothing_in_the_way_of_another_job_once_it_is_taken_back) {
  const MigrationJob job = given_away();
  take_back_sent_guest(from_->xen, from_->life, job, true);
  const Ends again = migrate();
  EXPECT_FALSE(again.sender) << again.sentence;
  EXPECT_EQ(to_->domains(), 1u);
  expect_runs(*to_, "sent again");
}

// Somebody has destroyed it here: nobody but an operator can say that the other copy shall run.
TEST_F(GivenAway, runs_there_by_force_if_it_is_gone_here) {
  const MigrationJob job = given_away();
  from_->life.destroy(from_->life.find("web1--migratedaway"));
  const Ends asked = settle(job);
  EXPECT_EQ(asked.sender, Errc::needs_operator);
  EXPECT_NE(asked.sentence.find("try: ferry job resume --force " + job.id), std::string::npos)
      << asked.sentence;
  EXPECT_TRUE(to_->running().empty());
  const Ends forced = meet(kNeverCut, kNeverCut, [&](Link& link) {
    settle_sent_guest(from_->xen, from_->life, link, job, Wanted::there_by_force);
  });
  EXPECT_FALSE(forced.sender) << forced.sentence;
  EXPECT_EQ(to_->running(), std::vector<std::string>{"web1"});
  EXPECT_TRUE(open_jobs(true).empty());
}

TEST_F(GivenAway, never_runs_there_once_its_copy_has_vanished) {
  const MigrationJob job = given_away();
  to_->life.destroy(to_->life.find("web1--incoming"));
  EXPECT_FALSE(settle(job).sender);
  expect_runs(*from_, "its copy vanished");
}

TEST_F(GivenAway, comes_back_when_its_name_is_taken_there) {
  const MigrationJob job = given_away();
  KernelSpec spec;
  spec.pages = 100;
  auto other = SimKernel::create(*to_->host, spec);
  to_->life.rename(domid_t{other->domid()}, "web1");
  settle(job);
  EXPECT_TRUE(open_jobs(true).empty());
  expect_runs(*from_, "its name was taken there");
  EXPECT_EQ(to_->domains(), 1u);
}

TEST_F(Migrate, a_name_that_is_taken_there_is_told_before_the_guest_is_suspended) {
  for (const char* name : {"web1", "web1--incoming"}) {
    fresh();
    std::string config = from_->life.config_json(from_->life.find("web1"));
    const size_t uuid = config.find('"', config.find(':', config.find("\"uuid\""))) + 1;
    config[uuid] = 'f';  // another guest
    const BindThread there(*to_->host);
    to_->life.create(config, name);
    bool suspended = false;
    const StreamEngine engine = [&](const StreamOrder&) { suspended = true; };
    const Ends ends = meet(kNeverCut, kNeverCut, [&](Link& link) {
      send_guest(from_->xen, from_->life, engine, link, {"web1", kPeer});
    });
    EXPECT_NE(ends.sentence.find(fmt::format("it has a domain {} already", name)),
              std::string::npos)
        << ends.sentence;
    EXPECT_FALSE(suspended);
    expect_runs(*from_, name);
  }
}

TEST_F(Migrate, a_journal_of_another_version_is_refused_in_a_sentence) {
  const std::string id = new_job_id();
  std::filesystem::create_directories(folder_ + "/jobs");
  std::ofstream(folder_ + "/jobs/" + id + ".source")
      << R"({"state":"given-away","name":"web1","uuid":"00","peer":"there","pid":1})";
  std::ofstream(folder_ + "/jobs/" + new_job_id() + ".source") << "nonsense";
  try {
    find_job(id, true);
    ADD_FAILURE() << "it was taken";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::unsupported);
    EXPECT_NE(std::string(e.what()).find("another version of ferry"), std::string::npos);
  }
  const std::vector<MigrationJob> all = list_jobs(false);
  ASSERT_EQ(all.size(), 2u);
  for (const MigrationJob& job : all) EXPECT_FALSE(job.problem.empty());
}

TEST_F(Migrate, text_that_comes_instead_of_ferry_is_shown) {
  for (const std::string& text :
       {std::string("Welcome to host2!\nType help.\n"), std::string("\r\n  Welcome to host2!\r\n"),
        std::string("Welcome to host2!")}) {
    MemorySource in(std::as_bytes(std::span(text)));
    MemorySink out;
    Link link(in, out);
    try {
      link.receive();
      ADD_FAILURE() << text;
    } catch (const Error& e) {
      EXPECT_EQ(std::string(e.what()),
                "something else than ferry answers; it says: Welcome to host2!");
    }
  }
}

TEST_F(Migrate, another_version_or_another_protocol_is_refused) {
  Ends ends = meet(kNeverCut, kNeverCut, [&](Link& link) {
    v1::MigrateFrame frame;
    frame.mutable_hello()->set_version(99);
    link.send(frame);
    const auto answer = link.receive();
    ASSERT_TRUE(answer && answer->has_refusal());
    EXPECT_NE(answer->refusal().find("not 99"), std::string::npos) << answer->refusal();
  });
  EXPECT_FALSE(ends.receiver);
  ends = meet(kNeverCut, kNeverCut, [&](Link& link) {
    link.send(HandoverMessage::go);
    const auto answer = link.receive();
    ASSERT_TRUE(answer && answer->has_refusal());
    EXPECT_NE(answer->refusal().find("ferry's protocol"), std::string::npos) << answer->refusal();
    EXPECT_FALSE(link.receive());
  });
  EXPECT_FALSE(ends.receiver);
  EXPECT_TRUE(list_jobs(true).empty());
}

}  // namespace
}  // namespace ferry::sim
