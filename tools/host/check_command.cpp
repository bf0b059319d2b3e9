// ferry check and ferry estimate: what to expect, without touching the guest.
#include <cstdio>
#include <memory>
#include <thread>

#include <nlohmann/json.hpp>

#include "error/error.h"
#include "tools/host/commands.h"

namespace ferry::host {
namespace {

void print_check(const CheckResult& result, bool json) {
  if (json) {
    const nlohmann::ordered_json out = {{"domain", result.name},
                                        {"domid", raw(result.domid)},
                                        {"guest_bytes", result.guest_bytes},
                                        {"blockers", result.blockers},
                                        {"notes", result.notes}};
    fmt::print("{}\n", out.dump(2));
    return;
  }
  for (const std::string& blocker : result.blockers) fmt::print("blocker: {}\n", blocker);
  for (const std::string& note : result.notes) fmt::print("note: {}\n", note);
  if (result.blockers.empty())
    fmt::print("{} ({} MiB) can be saved\n", result.name, result.guest_bytes >> 20);
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
    fmt::print("{}\n", out.dump(2));
    return;
  }
  fmt::print(
      "{}: {} rounds in {:.1f} s, {} MiB of image for {} MiB of guest\n"
      "it changes {} KiB of its memory a second and would then stand still for about {} ms: {} ms "
      "for "
      "the memory, {} ms for the rest{}\n",
      e.name, e.rounds, static_cast<double>(e.seconds_ms) / 1000, e.image_bytes >> 20,
      e.guest_bytes >> 20, e.dirty_bytes_per_second >> 10,
      (e.downtime.memory_us + e.downtime.fixed_us) / 1000, e.downtime.memory_us / 1000,
      e.downtime.fixed_us / 1000, e.stalled ? " (more than was allowed)" : "");
}

}  // namespace

void add_check_command(CLI::App& app, CheckGuest check) {
  auto name = std::make_shared<std::string>();
  auto json = std::make_shared<bool>(false);
  CLI::App* command = app.add_subcommand("check", "Tell what would stop a guest from being saved");
  command->footer(
      "The guest is not touched. Exit code 1 if anything would stop a save or migration.\n"
      "\nExample:\n  ferry check web1");
  command->add_option("DOMAIN", *name, "Name or number of the domain")->required();
  command->add_flag("--json", *json, "Print the result as JSON");
  command->callback([name, json, check = std::move(check)] {
    const CheckResult result = check(*name);
    print_check(result, *json);
    if (!result.blockers.empty())
      fail(Errc::guest, "domain {} cannot be saved as it is", raw(result.domid));
  });
}

void add_estimate_command(CLI::App& app, EstimateGuest estimate) {
  struct Arguments {
    EstimateRequest request;
    uint64_t bandwidth = 0;
    uint64_t max_downtime = 300;
    bool json = false;
  };
  auto a = std::make_shared<Arguments>();
  CLI::App* command =
      app.add_subcommand("estimate", "Estimate how long a live save or migration would take");
  command->footer(
      "Reads the guest's memory as a live save would, round after round, and sends nothing.\n"
      "The guest runs on; it is never asked to suspend.\n"
      "\nExample:\n  ferry estimate --bandwidth 110 web1     # over a gigabit");
  command->add_option("DOMAIN", a->request.domain, "Name or number of the domain")->required();
  command
      ->add_option("--bandwidth", a->bandwidth,
                   "MiB a second that the connection takes (default: no limit)")
      ->check(CLI::Range(1, 1 << 24));
  command->add_option("--max-downtime", a->max_downtime, "Milliseconds (default 300)")
      ->check(CLI::Range(1, 3'600'000));
  command->add_option("--max-rounds", a->request.policy.max_rounds, "Rounds (default 30)")
      ->check(CLI::Range(1, 10'000));
  command->add_flag("--json", a->json, "Print the result as JSON");
  command->callback([a, estimate = std::move(estimate)] {
    a->request.bytes_per_second = a->bandwidth << 20;
    a->request.policy.max_downtime_us = a->max_downtime * 1000;
    print_estimate(estimate(a->request), a->json);
  });
}

}  // namespace ferry::host
