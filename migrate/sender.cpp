// The source's end of a job over one link.
#include "migrate/sender.h"

#include "handover/destination_handover.h"
#include "migrate/guest_names.h"
#include "migrate/same_guest.h"

namespace ferry {
namespace {

bool was_told_to_stop(const std::exception_ptr& failure) {
  try {
    if (failure) std::rethrow_exception(failure);
  } catch (const Error& e) {
    return e.code() == Errc::aborted;
  } catch (...) {
  }
  return false;
}

}  // namespace

Sender::Sender(Lifecycle& life, std::optional<GuestCustody>& custody, Link* link, MigrationJob job,
               const HandoverLimits& limits)
    : life_(life),
      link_(link),
      guest_(life, job, custody),
      outbox_(link_),
      journal_(std::move(job)),
      handover_(journal_.job().source_state(), journal_, guest_, outbox_),
      patience_(limits, [this] { cut(); }) {
  if (link) use(*link);
}

Sender::~Sender() {
  if (answer_ && answer_->waiting()) cut();
}

void Sender::use(Link& link) {
  link_ = &link;
  links_ = {&link};
  answer_.emplace(link, [this] { patience_.progress(); });
}

void Sender::stream(const StreamEngine& engine, const StreamOrder& order,
                    std::vector<Link*> links) {
  links_ = links;
  if (guest_.stood_still_before()) stands_still();
  image_.emplace(links, patience_);
  answer_->wait([this] { image_->stop(); });
  std::exception_ptr link_failure, engine_failure;
  bool answered_first = false;
  try {
    StreamOrder own = order;
    own.fd = image_->input();
    own.suspend = [this] { return suspend(); };
    engine(own);
  } catch (...) {
    engine_failure = std::current_exception();
    answered_first = answer_->arrived();
    image_->stop();
    if (was_told_to_stop(engine_failure)) cut();  // whoever does not read is not waited for
  }
  try {
    image_->finish();
    for (Link* link : links)
      if (link != link_) link->hang_up();
    const Patience::Waiting taking(patience_);
    if (!engine_failure) link_->send_end(image_->chunks());
    all_sent_ = !engine_failure;
  } catch (...) {
    link_failure = std::current_exception();
  }
  if (!link_failure && !engine_failure) return;
  handover_.cancel();
  if (suspend_failure_) std::rethrow_exception(suspend_failure_);
  if (was_told_to_stop(engine_failure)) fail(Errc::aborted, "the migration was told to stop");
  // An engine that cannot write has found what the other side said, or that it is gone.
  link_->hang_up();
  if (patience_.ended()) fail_broken();
  patience_.arm();  // for its reason, too, nobody waits for ever
  const auto answer = next_frame();
  // What it says after the engine has failed is only that the guest did not come.
  if (engine_failure && !link_failure && !answered_first) std::rethrow_exception(engine_failure);
  if (answer && answer->has_refusal()) refusal_ = answer->refusal();
  if (!refusal_.empty()) fail_refused();
  if (link_failure || !answer) fail_broken();
  std::rethrow_exception(engine_failure);
}

void Sender::hand_over() {
  while (!handover_.settled()) {
    const auto frame = next_frame();
    if (handover_.state() == SourceState::sending) note_suspension();
    if (!frame) {
      // Only what comes from there may be cut off: it hears of it if it still can.
      if (handover_.state() == SourceState::sending) handover_.cancel();
      fail_broken();
    }
    take(*frame);
    if (handover_.needs_operator()) fail_unknown();
    if (handover_.state() == SourceState::given_away) patience_.given_away();
  }
  patience_.disarm();
  if (handover_.state() != SourceState::done) fail_refused();
}

void Sender::settle(bool want_back) {
  const bool only_tell = handover_.settled();  // the other side may still hold its copy
  patience_.arm();
  handover_.reconnected();
  if (want_back) handover_.cancel();
  if (only_tell) hear_of_its_copy();
  while (!handover_.settled()) {
    const auto frame = next_frame();
    if (!frame) fail_broken();
    take(*frame);
    if (handover_.needs_operator()) fail_unknown();
  }
  patience_.disarm();
}

bool Sender::is_given_up_unknown(const Error& unknown, bool theirs_by_force) {
  if (handover_.state() != SourceState::given_away) return false;
  const MigrationJob& job = journal_.job();
  if (!guest_.present()) {
    if (theirs_by_force) return true;
    fail(Errc::needs_operator,
         "{}; {}; look there for {}, and to give it up: here, try: ferry job resume --force {}",
         unknown.what(), what_is_here(), name(), job.id);
  }
  fail(
      Errc::needs_operator,
      "{0}; {1}; look there for {2}: if it runs there, or has run there and left, here: xl destroy "
      "{3}, and then ferry job resume --force {4}; here too, only if it surely never ran there, "
      "try: "
      "ferry job abort --force {4}",
      unknown.what(), what_is_here(), name(), job.domid, job.id);
}

// Whoever settles the job later tells by that whether it has run.
void Sender::note_suspension() {
  if (const auto cpu_time_ns = guest_.suspended_with()) journal_.note_suspended_with(*cpu_time_ns);
}

void Sender::stands_still() {
  suspended_at_ = Clock::now();
  patience_.arm();
}

bool Sender::suspend() {
  suspended_at_ = Clock::now();
  try {
    guest_.suspend();
    patience_.arm();
    return true;
  } catch (const Error&) {
    suspend_failure_ = std::current_exception();
    return false;
  }
}

void Sender::cut() const {
  for (const Link* link : links_) link->cut();
}

std::optional<v1::MigrateFrame> Sender::next_frame() {
  const Patience::Waiting answering(patience_);
  if (answer_->waiting()) return answer_->take();
  try {
    for (;;) {
      auto frame = link_->receive();
      if (!frame || !frame->has_progress()) return frame;
      patience_.progress();
    }
  } catch (const Error&) {
    return std::nullopt;
  }
}

void Sender::take(const v1::MigrateFrame& frame) {
  if (frame.has_refusal()) refusal_ = frame.refusal();
  const auto message = handover_in(frame);
  if (!message) return;
  runs_there_ = *message == HandoverMessage::running;
  handover_.on(*message);
}

void Sender::hear_of_its_copy() {
  for (bool explained = true; explained;) {  // the words for people come first
    const auto frame = next_frame();
    if (!frame) fail(Errc::io, "the link to {} broke", journal_.job().peer.text);
    explained = refusal_.empty() && frame->has_refusal();
    take(*frame);
  }
  if (!runs_there_) return;
  fail(Errc::needs_operator,
       "{} runs here, and {} says that it has run there too: two copies destroy its disks; the one "
       "here is the one that was to go on; {}",
       name(), journal_.job().peer.text,
       refusal_.empty() ? fmt::format("there, where it is called {0} unless somebody has renamed "
                                      "it, try: xl destroy {0}",
                                      incoming_name(name()))
                        : refusal_);
}

// Other words that came before are of something else.
std::string Sender::how_it_is_there() const {
  const bool said = refusal_.starts_with("is there, ") || refusal_.starts_with("runs there, ");
  return said ? refusal_ : "runs there";
}

// The same with the other host's name.
std::string Sender::what_is_there() const {
  std::string how = how_it_is_there();
  how.replace(how.find("there"), 5, "on " + journal_.job().peer.text);
  return fmt::format("{} {}", name(), how);
}

std::string Sender::what_is_here() {
  try {
    switch (guest_.look()) {
      case SourceCopy::runs:
        return fmt::format("it {}, and the job is still open",
                           guest_.was_suspended_again()
                               ? "has run since here, and is suspended again by somebody else"
                               : "runs here again");
      case SourceCopy::gone:
        return fmt::format(
            "it is not here any more{}: somebody has destroyed it, or this host was restarted",
            guest_.namesake());
      case SourceCopy::suspended:
        break;
    }
  } catch (const Error& e) {
    return fmt::format("what is here of it could not be seen ({})", e.what());
  }
  return "it is suspended here and never runs by itself";
}

std::string Sender::unless_settled() const {
  if (handover_.settled()) return {};
  return fmt::format(
      "; the job is still open: once that is put right, here, try: ferry job resume {}",
      journal_.job().id);
}

void Sender::fail_given_away(const std::string& why) {
  fail(Errc::needs_operator,
       "{} was given to {} and nobody has said that it runs there ({}); {}; here, try: ferry job "
       "resume {}",
       name(), journal_.job().peer.text, why, what_is_here(), journal_.job().id);
}

void Sender::fail_unfinished(const std::string& why) {
  fail(Errc::needs_operator,
       "{}, and this host could not finish: {}; what is here of it never runs by itself; once that "
       "is mended, here, try: ferry job resume {}",
       what_is_there(), why, journal_.job().id);
}

void Sender::fail_broken() {
  const std::string why = patience_.ended() ? patience_.reason() : "the link broke";
  if (handover_.state() == SourceState::given_away) fail_given_away(why);
  const MigrationJob& job = journal_.job();
  fail(Errc::io, "the link to {} broke{}{}", job.peer.text,
       patience_.ended() ? fmt::format(": {}", why) : "",
       all_sent_ ? fmt::format("; it may hold a copy that never ran, which goes when the guest "
                               "comes again, or, here, by: ferry job resume {}",
                               job.id)
                 : "");
}

// Somebody has destroyed what the job sends, and has started the guest again.
void Sender::check_alone_here() {
  if (const auto other = same_guest_here(life_, journal_.job()))
    fail_two_here(journal_.job(), *other, false);
}

void Sender::fail_gone(std::string_view why) {
  check_alone_here();
  fail(Errc::needs_operator,
       "{}; and {} is not here any more{}: somebody has destroyed it, or this host was restarted; "
       "here, try: xl create, with its configuration",
       why, name(), guest_.namesake());
}

// Another domain there has the guest's uuid, of an image maybe: which of the two is newer, nobody
// knows; but what ran there since was newer than both.
void Sender::fail_same_guest_there() {
  const MigrationJob& job = journal_.job();
  const bool ran = refusal_.find(kRanHere) != std::string::npos;
  fail(Errc::needs_operator,
       "nobody knows whether {0} goes on on {1}, which says that {2}; what was given away of it is "
       "suspended here (domain {3}) and {4}; only one may run: if the one there is to go on: here, "
       "ferry job resume --force {5}; if not: there, xl destroy that one, and then here, {6}try: "
       "ferry job abort --force {5}",
       name(), job.peer.text, refusal_, job.domid,
       ran ? "older than its disks" : "may be the newer one", job.id,
       ran ? "only if no image has what ran there, " : "");
}

void Sender::fail_unknown() {
  const MigrationJob& job = journal_.job();
  switch (guest_.look()) {
    case SourceCopy::runs:
      fail_resumed_here();
    case SourceCopy::gone:
      check_alone_here();
      fail(Errc::needs_operator,
           "{} is not here any more{}, though no migration has destroyed it; the copy on {} may be "
           "the only one, and is left as it is{}; if it is to run there: here, try: ferry job "
           "resume --force {}",
           name(), guest_.namesake(), job.peer.text,
           refusal_.empty() ? "" : fmt::format(", and could not be let run: {}", refusal_), job.id);
    case SourceCopy::suspended:
      break;
  }
  if (refusal_.find(kIsSameGuest) != std::string::npos) fail_same_guest_there();
  if (!refusal_.empty())
    fail(Errc::needs_operator,
         "{0} is not there any more: {1} says that {2}; what is here of it is suspended and "
         "older than its disks; to give that up, here, try: ferry job resume --force {3}",
         name(), job.peer.text, refusal_, job.id);
  fail(Errc::needs_operator,
       "{0} was let run on {1}, or was about to be, and is not there any more: look at its disks, "
       "and for an image or another host that has it; if it ran, what is here of it is older: "
       "here, ferry job resume --force {2}; only if it surely did not: here, try: ferry job abort "
       "--force {2}",
       name(), job.peer.text, job.id);
}

// Nobody but an operator says which of the two copies goes.
void Sender::fail_resumed_here() {
  const MigrationJob& job = journal_.job();
  const std::string since =
      fmt::format("what is here of it (domain {}) has run since it was given away", job.domid);
  if (!runs_there_)
    fail(
        Errc::needs_operator,
        "{} may have run on {}{}, and {}: look at its disks; only if the one here is to go on, and "
        "no other one runs, try: ferry job abort --force {}",
        name(), job.peer.text,
        refusal_.empty() ? "" : fmt::format(", which says that {}", refusal_), since, job.id);
  if (guest_.was_suspended_again())
    fail(Errc::needs_operator,
         "{}, and {}, and was suspended again by somebody else; the one there is the one that was "
         "to go on; to give up the one here, try: ferry job resume --force {}",
         what_is_there(), since, job.id);
  fail(Errc::needs_operator,
       "{}, and here somebody has resumed it: two copies destroy its disks; the one there is the "
       "one that was to go on; here, try: xl destroy {}",
       what_is_there(), job.domid);
}

void Sender::fail_refused() {
  fail(Errc::unsupported, "{} does not take {}: {}", journal_.job().peer.text, name(),
       refusal_.empty() ? "it could not be restored there" : refusal_);
}

}  // namespace ferry
