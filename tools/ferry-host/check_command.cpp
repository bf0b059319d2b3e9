// ferry check and ferry estimate: what to expect, without touching the guest.
#include <memory>

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "config/json_text.h"
#include "error/error.h"
#include "evacuate/guests_here.h"
#include "host/check_guest.h"
#include "host/live_settings.h"
#include "host/other_host.h"
#include "migrate/ask_host.h"
#include "migrate/guest_names.h"
#include "text/print.h"
#include "text/printable.h"
#include "tools/ferry-host/commands.h"
#include "tools/ferry-host/setting_options.h"

namespace ferry::host {
namespace {

struct CheckArguments {
  std::string domain, host, via;
  bool json = false;
};

// What the other host says to the guest.
struct Said {
  std::vector<std::string> blockers, notes;
};
Said ask_other_host(const CheckArguments& arguments, ThisHost& host, const CheckResult& guest) {
  if (arguments.host.empty() && arguments.via.empty()) return {};
  try {
    check_name(guest.name);
  } catch (const Error& e) {
    return {{e.what()}, {}};  // nor could the question be put
  }
  const Peer peer = peer_named(arguments.host, arguments.via);
  const auto other = call(peer, arguments.json);
  const auto cut = other->cut_on_signals();
  const v1::MigrateAnswer answer =
      ask(other->link(), question_about(host.xen(), host.life(), guest.domid), peer.text);
  other->link().hang_up();
  return {{answer.blockers().begin(), answer.blockers().end()},
          {answer.notes().begin(), answer.notes().end()}};
}

void check(const CheckArguments& arguments, ThisHost& host) {
  const CheckResult result = check_guest(host.xen(), host.life(), arguments.domain);
  const Said there = ask_other_host(arguments, host, result);
  if (arguments.json) {
    const nlohmann::ordered_json out = {{"domain", result.name},
                                        {"domid", raw(result.domid)},
                                        {"guest_bytes", result.guest_bytes},
                                        {"blockers", result.blockers},
                                        {"blockers_there", there.blockers},
                                        {"notes", result.notes},
                                        {"notes_there", there.notes}};
    print_answer("{}\n", json_text(out));
  } else {
    const auto each = [](const char* what, const std::vector<std::string>& sentences) {
      for (const std::string& one : sentences) print_answer("{}: {}\n", what, printable(one));
    };
    each("blocker", result.blockers);
    each("blocker there", there.blockers);
    each("note", result.notes);
    each("note there", there.notes);
  }
  if (!result.blockers.empty())
    fail(Errc::guest, "domain {} cannot be saved as it is", raw(result.domid));
  if (!there.blockers.empty())
    fail(Errc::unsupported, "{} cannot take domain {} as it is",
         arguments.host.empty() ? "the other host" : arguments.host, raw(result.domid));
  if (!arguments.json)
    print_answer("{} ({} MiB) can be saved{}\n", printable(result.name), result.guest_bytes >> 20,
                 arguments.host.empty() && arguments.via.empty() ? "" : ", and taken there");
}

std::string guests_as_text(const std::vector<evacuate::LocalGuest>& guests) {
  constexpr auto kRow = "{:<20} {:>5} {:>8}  {}\n";
  std::string text = fmt::format(kRow, "Name", "ID", "MiB", "As it is");
  for (const evacuate::LocalGuest& guest : guests)
    text += fmt::format(kRow, printable(guest.name), raw(guest.domid), guest.bytes >> 20,
                        guest.stays.empty()
                            ? "it can be saved and migrated"
                            : printable(fmt::format("{}", fmt::join(guest.stays, "; "))));
  return text;
}

std::string guests_as_json(const std::vector<evacuate::LocalGuest>& guests) {
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  for (const evacuate::LocalGuest& guest : guests)
    all.push_back({{"domain", guest.name},
                   {"domid", raw(guest.domid)},
                   {"guest_bytes", guest.bytes},
                   {"blockers", guest.stays}});
  return json_text(all) + "\n";
}

// Of every guest that is here.
void check_all(bool json, ThisHost& host) {
  std::vector<evacuate::LocalGuest> guests = evacuate::guests_here(host.xen(), host.life());
  std::erase_if(guests, [](const auto& guest) { return guest.meant_to_stay; });
  answer_with(json ? guests_as_json(guests) : guests_as_text(guests));
  std::erase_if(guests, [](const auto& guest) { return guest.stays.empty(); });
  if (!guests.empty())
    fail(Errc::guest, "{} of the guests here cannot be saved or migrated as {}", guests.size(),
         guests.size() == 1 ? "it is" : "they are");
}

void print_estimate(const Estimate& e, bool json) {
  if (json) {
    const nlohmann::ordered_json out = {{"domain", e.name},
                                        {"guest_bytes", e.guest_bytes},
                                        {"image_bytes", e.image_bytes},
                                        {"rounds", e.rounds},
                                        {"milliseconds", e.seconds_ms},
                                        {"dirty_bytes_per_second", e.dirty_bytes_per_second},
                                        {"downtime_memory_ms", e.downtime.memory_us / 1000},
                                        {"downtime_fixed_ms", e.downtime.fixed_us / 1000},
                                        {"stalled", e.stalled}};
    print_answer("{}\n", json_text(out));
    return;
  }
  print_answer(
      "{}: {} rounds in {:.1f} s, {} MiB of image for {} MiB of guest\n"
      "it changes {} KiB of its memory a second and would then stand still for about {} ms: {} ms "
      "for "
      "the memory, {} ms for the rest{}\n",
      printable(e.name), e.rounds, static_cast<double>(e.seconds_ms) / 1000, e.image_bytes >> 20,
      e.guest_bytes >> 20, e.dirty_bytes_per_second >> 10,
      (e.downtime.memory_us + e.downtime.fixed_us) / 1000, e.downtime.memory_us / 1000,
      e.downtime.fixed_us / 1000, e.stalled ? " (more than was allowed)" : "");
}

struct EstimateArguments {
  std::string domain;
  Settings said;
  bool json = false;
};

Estimate estimate(ThisHost& host, const std::string& domain, const Settings& settings) {
  EstimateRequest request;
  request.domain = domain;
  request.bytes_per_second = bytes_per_second_of(settings);
  const PolicyOptions policy = policy_of(settings);
  request.policy.max_downtime_us = policy.max_downtime_us;
  request.policy.max_rounds = policy.max_rounds;
  const auto executor = make_thread_executor(threads_of(settings));
  return estimate_guest(host.xen(), host.life(), *executor, request);
}

}  // namespace

void add_check_command(Command app, OpenHost open) {
  auto arguments = std::make_shared<CheckArguments>();
  Command command =
      app.add_command("check", "Tell what would stop a guest from being saved or migrated");
  command.footer(
      "No guest is touched. Without DOMAIN, all guests of this host are looked at: a line for "
      "each.\n"
      "With HOST, its ferry receive is asked whether it could take the guest: Xen's version, "
      "memory,\n"
      "CPU features, names, disks, bridges. Exit code 1 if anything would stop a save or the\n"
      "migration.\n"
      "\nExamples:\n  ferry check\n  ferry check web1\n  ferry check web1 host2.example");
  Option domain = command.add_option("DOMAIN", arguments->domain,
                                     "Name or number of the domain; none: all that are here");
  Option host =
      command.add_option("HOST", arguments->host, "Another host, where ferry receive listens");
  command
      .add_option("--via", arguments->via,
                  "Instead of HOST: a command that reaches ferry receive --stdio there")
      .excludes(host)
      .needs(domain);
  command.add_flag("--json", arguments->json, "Print the result as JSON");
  command.callback([arguments, open = std::move(open)] {
    const auto here = open();
    arguments->domain.empty() ? check_all(arguments->json, *here) : check(*arguments, *here);
  });
}

void add_estimate_command(Command app, const Settings& settings, OpenHost open) {
  auto a = std::make_shared<EstimateArguments>();
  Command command =
      app.add_command("estimate", "Estimate how long a live save or migration would take");
  command.footer(
      "Reads the guest's memory as a live save would, round after round, and sends nothing.\n"
      "The guest runs on; it is never asked to suspend.\n"
      "\nExample:\n  ferry estimate --bandwidth 110 web1     # over a gigabit");
  command.add_option("DOMAIN", a->domain, "Name or number of the domain").required();
  add_settings(command, kEstimate, a->said);
  command.add_flag("--json", a->json, "Print the result as JSON");
  command.callback([a, settings, open = std::move(open)] {
    print_estimate(estimate(*open(), a->domain, a->said.over(settings)), a->json);
  });
}

}  // namespace ferry::host
