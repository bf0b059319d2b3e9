// A guest moves between two simulated hosts over a link that is cut at every message.
#include "tests/migrate/migrate_fixture.h"

namespace ferry::sim {
namespace {

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
  // The last cut is beyond the last message, as one may be of a run that was slower than the
  // others.
  for (int cut = 0; cut <= whole.frames_out + whole.frames_back; ++cut) {
    fresh();
    const bool out = cut < whole.frames_out;
    const std::string when =
        out ? fmt::format("cut before message {} to the destination", cut + 1)
            : fmt::format("cut before message {} to the source", cut - whole.frames_out + 1);
    const Ends ends = migrate(out ? cut : kNeverCut, out ? kNeverCut : cut - whole.frames_out);
    if (!ends.cut_out && !ends.cut_back) {
      // The other side tells its progress once a second, so a slow run has more messages than the
      // next one.
      EXPECT_FALSE(ends.sender) << when << ": " << ends.sentence;
      EXPECT_FALSE(out) << when;
      continue;
    }
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

// Wherever the link is cut, it is paused where it is in the end, and only there.
TEST_F(Migrate, a_paused_guest_is_paused_there_or_here) {
  const auto pause = [&] {
    const domid_t domid = from_->life.find("web1");
    {
      const HostLock lock(*from_->host);  // it has run for a while
      from_->host->find_domain(static_cast<DomainNumber>(domid))->cpu_time_ns = 10'000'000;
    }
    from_->life.pause(domid);
  };
  pause();
  const Ends whole = migrate();
  ASSERT_FALSE(whole.sender) << whole.sentence;
  unsigned there = 0;
  for (int cut = 0; cut <= whole.frames_out; ++cut) {
    const std::string when = fmt::format("cut before message {} to the destination", cut + 1);
    fresh();
    pause();
    migrate(cut);  // the last time, not at all
    for (const MigrationJob& open : open_jobs(true))
      meet(kNeverCut, kNeverCut, [&](Link& link) {
        settle_sent_guest(from_->xen, from_->life, link, open, Wanted::anywhere);
      });
    for (const MigrationJob& held : open_jobs(false))
      meet(kNeverCut, kNeverCut, [&](Link& link) {
        settle_sent_guest(from_->xen, from_->life, link, find_job(held.id, true).value(),
                          Wanted::anywhere);
      });
    EXPECT_TRUE(list_jobs(false).empty()) << when;
    EXPECT_EQ(from_->domains() + to_->domains(), 1u) << when;
    EXPECT_TRUE(from_->running().empty() && to_->running().empty()) << when;
    Place& place = to_->domains() == 1 ? *to_ : *from_;
    there += &place == to_.get();
    const domid_t domid = place.life.find("web1");
    {
      const BindThread bind(*place.host);
      EXPECT_FALSE(get_domain(place.xen, domid).suspended) << when;
      place.life.unpause(domid);
    }
    expect_runs(place, when.c_str());
    if (HasFailure()) return;
  }
  EXPECT_GT(there, 0u);
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
    settled = settle_sent_guest(from_->xen, from_->life, link, open[0], Wanted::here).what;
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
    settled = settle_sent_guest(from_->xen, from_->life, link, job, Wanted::anywhere).what;
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

// The other side says why it gave up, which is only that we did.
TEST_F(Migrate, regression_an_engine_that_fails_is_told_and_not_what_the_other_side_makes_of_it) {
  const StreamEngine engine = [](const StreamOrder& order) {
    FdSink(order.fd, "the image").write(Bytes(100));
    fail(Errc::guest, "the guest's p2m cannot be read");
  };
  for (int i = 0; i < 20; ++i) {
    const Ends ends = meet(kNeverCut, kNeverCut, [&](Link& link) {
      send_guest(from_->xen, from_->life, engine, link, {"web1", kPeer});
    });
    EXPECT_EQ(ends.sender, Errc::guest);
    EXPECT_EQ(ends.sentence, "the guest's p2m cannot be read; web1 runs on here");
  }
  expect_runs(*from_, "the engine failed");
  EXPECT_EQ(to_->domains(), 0u);
}

}  // namespace
}  // namespace ferry::sim
