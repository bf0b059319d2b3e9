// The source's end of a job over one link: streams the guest, hands it over, settles what was
// broken off, and says in a sentence what has become of it.
#pragma once

#include <chrono>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "custody/guest_custody.h"
#include "error/error.h"
#include "handover/source_handover.h"
#include "migrate/first_answer.h"
#include "migrate/guest_here.h"
#include "migrate/send_guest.h"
#include "migrate/send_image.h"

namespace ferry {

class Sender {
  using Clock = std::chrono::steady_clock;

 public:
  Sender(Lifecycle& life, std::optional<GuestCustody>& custody, Link* link, MigrationJob job,
         const HandoverLimits& limits);
  // What was sent still arrives; but whoever says nothing is not waited for.
  ~Sender();
  Sender(const Sender&) = delete;
  Sender& operator=(const Sender&) = delete;

  // A job that was broken off has no link until it is settled.
  void use(Link& link);
  // From here on there is a job.
  void start() { journal_.write(SourceState::sending); }

  // Whatever a step fails with, what it says of the guest is what the job's state says.
  template <typename Step>
  auto by_state(Step step) {
    try {
      return step();
    } catch (const Error& e) {
      if (e.code() == Errc::needs_operator) throw;
      if (runs_there_) fail_unfinished(e.what());
      if (handover_.state() == SourceState::given_away) fail_given_away(e.what());
      if (!guest_.present()) fail_gone(e.what());
      std::string said = e.what();
      if (!said.ends_with(" here")) said += "; " + guest_.stays_here();
      throw Error(e.code(), said + unless_settled(), e.os_errno());
    } catch (const std::exception& e) {
      if (handover_.state() != SourceState::given_away) throw;
      fail_given_away(e.what());
    }
  }

  // Until all of the guest is sent. Throws; the guest then runs on here.
  void stream(const StreamEngine& engine, const StreamOrder& order, std::vector<Link*> links);

  // Until both sides agree who has the guest. Throws if it is not the other one.
  void hand_over();

  // The same of a job that was broken off. want_back: here, if it has not run there.
  void settle(bool want_back);

  // The other host has no such job: it has lost its journal, and only a person who looks there can
  // say whether the guest runs there. True if one has said so (wanted) and nothing is here of it.
  bool is_given_up_unknown(const Error& unknown, bool theirs_by_force);

  SourceHandover& handover() { return handover_; }
  bool runs_there() const { return runs_there_; }  // as its host said
  // And how, for people: "runs there", "is there, paused, as domain 3 (web1)".
  std::string how_it_is_there() const;
  uint64_t bytes() const { return image_ ? image_->bytes() : 0; }
  Clock::time_point suspended_at() const { return suspended_at_; }

 private:
  void stands_still();
  bool suspend();
  void note_suspension();

  void cut() const;

  // Nothing if the link is gone.
  std::optional<v1::MigrateFrame> next_frame();

  void take(const v1::MigrateFrame& frame);

  // The guest is here, whatever is said; but a copy that runs there all the same destroys its
  // disks.
  void hear_of_its_copy();

  std::string name() const { return journal_.job().name; }
  std::string what_is_here();
  std::string what_is_there() const;
  // What is left to do where the guest is taken back and that could not be written.
  std::string unless_settled() const;
  [[noreturn]] void fail_given_away(const std::string& why);
  [[noreturn]] void fail_unfinished(const std::string& why);
  [[noreturn]] void fail_broken();
  [[noreturn]] void fail_gone(std::string_view why);
  void check_alone_here();
  // What the handover leaves to an operator.
  [[noreturn]] void fail_same_guest_there();
  [[noreturn]] void fail_unknown();
  [[noreturn]] void fail_resumed_here();
  [[noreturn]] void fail_refused();

  Lifecycle& life_;
  Link* link_ = nullptr;
  std::vector<Link*> links_;
  GuestHere guest_;
  LinkOutbox outbox_;
  JobJournal journal_;
  SourceHandover handover_;
  Patience patience_;
  std::exception_ptr suspend_failure_;
  std::string refusal_;
  bool all_sent_ = false;
  bool runs_there_ = false;  // the last word from there
  std::optional<ImageSender> image_;
  std::optional<FirstAnswer> answer_;  // goes before image_, which it may stop
  Clock::time_point suspended_at_ = Clock::now();
};

}  // namespace ferry
