// The surroundings of a real evacuation.
#include "evacuate/migrate_children.h"

#include <signal.h>
#include <sys/wait.h>

#include <chrono>
#include <thread>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "error/error.h"
#include "evacuate/own_program.h"
#include "host/other_host.h"
#include "host/stop_signals.h"
#include "migrate/ask_host.h"
#include "migrate/open_job.h"
#include "text/printable.h"
#include "text/say.h"

namespace ferry::evacuate {
namespace {

constexpr auto kMoment = std::chrono::milliseconds(20);

// What a program of ours complained about last, without its name in front.
std::string complaint_in(const std::string& lines) {
  const size_t end = lines.find_last_not_of('\n');
  if (end == std::string::npos) return "";
  const size_t begin = lines.rfind('\n', end);
  std::string line = lines.substr(begin == std::string::npos ? 0 : begin + 1);
  line.resize(line.find_last_not_of('\n') + 1);
  for (const char* name : {"ferry: ", "ferry-sim: "})
    if (line.starts_with(name)) return line.substr(std::string_view(name).size());
  return line;
}

std::optional<double> away_in(const std::string& out) {
  const auto json = nlohmann::json::parse(out, nullptr, false);
  if (!json.is_object() || !json.contains("away_seconds") || !json["away_seconds"].is_number())
    return std::nullopt;
  return json["away_seconds"].get<double>();
}

// Exit codes are docs/errors.md's; one that was ended by a signal has none.
int code_of(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// Of ferry job resume: the guest is the other host's, paused or not.
bool says_it_is_there(const std::string& out) {
  return out.ends_with(" runs there\n") || out.find(" runs there, ") != std::string::npos ||
         out.find(" is there, ") != std::string::npos;
}

class MigrateChild final : public Move {
 public:
  MigrateChild(host::ThisHost& host, const MoveOrder& order, const LocalGuest& guest,
               const Peer& peer)
      : host_(host),
        order_(order),
        guest_(guest),
        program_(order.before, command(guest, peer), order.environment) {}

  std::optional<MoveEnd> ended() override {
    if (settling_) return settled();
    const auto& end = program_.ended();
    if (!end) return std::nullopt;
    const int code = code_of(end->status);
    const std::string complaint = complaint_in(end->complaints);
    if (code == static_cast<int>(Exit::done)) return MoveEnd{Fate::moved, {}, away_in(end->out)};
    if (cancelled_ && code == static_cast<int>(Exit::needs_operator) && settle()) return {};
    if (code == static_cast<int>(Exit::needs_operator))
      return MoveEnd{Fate::needs_operator, complaint, {}};
    return look(complaint.empty() ? fmt::format("ferry migrate ended with status {}", end->status)
                                  : complaint);
  }

  // A guest that was given away is not taken back by a signal: it would only be left half way.
  void cancel() override {
    cancelled_ = true;
    const auto job = open_job();
    if (job && job->source_state() == SourceState::given_away) return;
    kill(program_.pid(), SIGTERM);
  }

 private:
  static std::vector<std::string> command(const LocalGuest& guest, const Peer& peer) {
    std::vector<std::string> words = {"migrate", "--json", std::to_string(raw(guest.domid))};
    if (peer.is_command) words.emplace_back("--via");
    words.push_back(peer.text);
    return words;
  }

  std::optional<MigrationJob> open_job() const {
    try {
      return open_job_of(get_domain(host_.xen(), guest_.domid));
    } catch (const Error&) {
      return std::nullopt;
    }
  }

  // It may have been given away in the very moment of the signal: both hosts are asked once more.
  bool settle() {
    const auto job = open_job();
    if (!job) return false;
    settling_ = std::make_unique<OwnProgram>(
        order_.before, std::vector<std::string>{"job", "resume", job->id}, order_.environment);
    return true;
  }

  std::optional<MoveEnd> settled() {
    const auto& end = settling_->ended();
    if (!end) return std::nullopt;
    const std::string complaint = complaint_in(end->complaints);
    if (code_of(end->status) != 0) return MoveEnd{Fate::needs_operator, complaint, {}};
    if (says_it_is_there(end->out)) return MoveEnd{Fate::moved, {}, {}};
    return MoveEnd{Fate::stays, "the evacuation was told to stop", {}};
  }

  // Whatever a child says or does not say, the guest is where Xen and the journals say.
  MoveEnd look(const std::string& complaint) const {
    try {
      const DomainInfo info = get_domain(host_.xen(), guest_.domid);
      if (const auto job = open_job_of(info))
        return {Fate::needs_operator,
                fmt::format("{}; try: ferry job resume {}", complaint, job->id),
                {}};
      if (info.suspended)
        return {Fate::needs_operator,
                fmt::format("{}; it is suspended here; try: ferry resume {}", complaint,
                            raw(guest_.domid)),
                {}};
      return {Fate::stays, complaint, {}};
    } catch (const Error& e) {
      if (e.code() == Errc::no_domain) return {Fate::gone, complaint, {}};
      return {Fate::needs_operator,
              fmt::format("{}; {}; try: ferry job list", complaint, e.what()),
              {}};
    }
  }

  host::ThisHost& host_;
  const MoveOrder& order_;
  const LocalGuest guest_;
  OwnProgram program_;
  bool cancelled_ = false;
  std::unique_ptr<OwnProgram> settling_;
};

class MigrateChildren final : public Surroundings {
 public:
  MigrateChildren(host::ThisHost& host, MoveOrder order) : host_(host), order_(std::move(order)) {}

  bool still_here(LocalGuest& guest) override {
    const auto is_it = [&](domid_t domid) {
      try {
        return get_domain(host_.xen(), domid).uuid == guest.uuid;
      } catch (const Error& e) {
        if (e.code() == Errc::no_domain) return false;
        throw;
      }
    };
    if (is_it(guest.domid)) return true;
    const std::string uuid(guest.uuid.begin(), guest.uuid.end());
    const auto found = host_.life().with_uuid(uuid);
    if (!found.empty()) guest.domid = found.front().domid;
    return !found.empty();
  }

  Answer ask(const LocalGuest& guest, size_t i) override {
    v1::MigrateQuestion question;
    try {
      question = question_about(host_.xen(), host_.life(), guest.domid);
    } catch (const Error& e) {
      return {{e.what()}, {}};
    }
    const Peer& peer = order_.hosts[i];
    const auto other = host::call(peer, order_.quiet);
    const auto cut = other->cut_on_signals();
    const v1::MigrateAnswer answer = ferry::ask(other->link(), question, peer.text);
    other->link().hang_up();
    Answer result{{answer.blockers().begin(), answer.blockers().end()}, {}};
    if (answer.has_free_bytes()) result.free_bytes = answer.free_bytes();
    return result;
  }

  std::unique_ptr<Move> start(const LocalGuest& guest, size_t i) override {
    auto move = std::make_unique<MigrateChild>(host_, order_, guest, order_.hosts[i]);
    tell(fmt::format("{} goes to {}", guest.name, order_.hosts[i].text));
    return move;
  }

  bool told_to_stop() override { return host::a_stop_signal_came(); }
  void rest() override { std::this_thread::sleep_for(kMoment); }
  void tell(const std::string& sentence) override {
    if (!order_.quiet) say(fmt::format("{}\n", printable(sentence)));
  }

 private:
  host::SignalsStop
      signals_;  // those that come from now on are noticed, and end nothing by themselves
  host::ThisHost& host_;
  const MoveOrder order_;
};

}  // namespace

std::unique_ptr<Surroundings> migrate_children(host::ThisHost& host, MoveOrder order) {
  return std::make_unique<MigrateChildren>(host, std::move(order));
}

}  // namespace ferry::evacuate
