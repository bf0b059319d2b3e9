// Jobs as files.
#include "migrate/job_journal.h"

#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <tuple>

#include <nlohmann/json.hpp>

#include "config/json_text.h"
#include "custody/host_boot.h"
#include "error/error.h"
#include "files/durable.h"
#include "files/process_start.h"
#include "migrate/job_mark.h"
#include "proto/record.h"
#include "settings/places.h"
#include "xen/hypervisor.h"

namespace ferry {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr std::string_view kSourceStates[] = {"unreadable", "sending", "given-away", "taken-back",
                                              "done"};
constexpr std::string_view kDestinationStates[] = {
    "unreadable", "receiving", "held", "about-to-run", "runs", "never-ran", "may-have-run"};

std::string hex(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) text += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return text;
}

std::string unhex(const std::string& text) {
  std::string bytes;
  for (size_t i = 0; i + 1 < text.size(); i += 2) {
    unsigned value = 0;
    std::from_chars(text.data() + i, text.data() + i + 2, value, 16);
    bytes.push_back(static_cast<char>(value));
  }
  return bytes;
}

std::string path_of(const std::string& id, bool source) {
  return fmt::format("{}/{}.{}", jobs_folder(), id, source ? "source" : "destination");
}

unsigned state_from(const std::string& name, bool source) {
  const auto find = [&](auto& names) {
    for (unsigned i = 1; i < std::size(names); ++i)
      if (names[i] == name) return i;
    return 0u;
  };
  return source ? find(kSourceStates) : find(kDestinationStates);
}

CopyNumber copy_from(const Json& json) {
  CopyNumber copy;
  copy.domid = domid_t{json.at("domid").get<uint16_t>()};
  copy.boot = json.at("boot");
  copy.maker = json.value("maker", int64_t{0});
  copy.maker_start = json.value("maker_start", uint64_t{0});
  if (json.contains("cpu_time_ns")) copy.cpu_time_ns = json["cpu_time_ns"].get<uint64_t>();
  return copy;
}

void fill(MigrationJob& job, const Json& json) {
  job.version = json.value("version", 1u);
  job.state = state_from(json.at("state"), job.source);
  job.name = json.at("name");
  job.uuid = unhex(json.at("uuid"));
  job.peer.text = json.at("peer");
  job.peer.is_command = json.value("peer_is_command", false);
  job.peer.names = json.value("peer_names", std::vector<std::string>{});
  job.pid = json.value("pid", int64_t{0});
  job.pid_since = json.value("pid_since", uint64_t{0});
  job.domid = json.value("domid", uint16_t{0});
  job.boot = json.value("boot", std::string());
  if (json.contains("cpu_time_ns")) job.cpu_time_ns = json["cpu_time_ns"].get<uint64_t>();
  job.source_secret = unhex(json.value("source_secret", ""));
  job.destination_secret = unhex(json.value("destination_secret", ""));
  job.paused = json.value("paused", false);
  if (json.contains("copy")) job.copy = copy_from(json["copy"]);
}

// Of everything else in it: a bit that a disk has turned must not give the guest to the wrong side.
std::string digest_in_journal(const Json& json) {
  const std::string text = json_text(json, -1);
  const Digest digest = digest_of(std::as_bytes(std::span(text)));
  return hex({reinterpret_cast<const char*>(digest.data()), digest.size()});
}

bool is_whole(Json json) {
  const Json digest = json.at("digest");
  json.erase("digest");
  return digest == digest_in_journal(json);
}

std::string problem_of(MigrationJob& job, const fs::path& path, const Json& json) {
  try {
    fill(job, json);
    if (job.state != 0 && job.version != kJournalVersion)
      return fmt::format(
          "job {} was begun by another version of ferry (its journal has version {}, this one "
          "writes {}): settle it with that one",
          job.id, job.version, kJournalVersion);
    if (job.state != 0 && is_whole(json)) return {};
  } catch (const Json::exception&) {
  }
  job.state = 0;
  return fmt::format("{} is no journal of a job", path.string());
}

MigrationJob read_job(const fs::path& path) {
  // What else has that name, a folder or a FIFO, is as damaged as one with nothing in it.
  std::error_code ignored;
  std::ifstream file;
  if (fs::is_regular_file(path, ignored)) file.open(path);
  const Json json = Json::parse(file, nullptr, false);
  MigrationJob job;
  job.id = path.stem();
  job.source = path.extension() == ".source";
  job.problem = problem_of(job, path, json);
  return job;
}

std::string random_bytes(size_t count) {
  std::string bytes(count, '\0');
  if (getrandom(bytes.data(), count, 0) != static_cast<ssize_t>(count))
    fail_errno(Errc::io, errno, "no randomness for a job's number");
  return bytes;
}

bool is_hex_id(const std::string& id) {
  return id.size() == 32 && id.find_first_not_of("0123456789abcdef") == std::string::npos;
}

}  // namespace

bool MigrationJob::settled() const {
  return source ? ferry::settled(source_state()) : ferry::settled(destination_state());
}

std::string MigrationJob::state_name() const {
  return std::string(source ? kSourceStates[state] : kDestinationStates[state]);
}

std::string jobs_folder() {
  const fs::path folder = place<"state_dir">();
  std::error_code error;
  if (folder.has_parent_path()) fs::create_directories(folder.parent_path(), error);
  if (mkdir(folder.c_str(), 0700) == 0)
    sync_folder(folder.has_parent_path() ? folder.parent_path().string() : ".");
  else if (errno != EEXIST)
    fail_errno(Errc::io, errno, fmt::format("cannot make {}", folder.string()));
  return folder;
}

std::vector<MigrationJob> list_jobs(bool all) {
  std::vector<MigrationJob> jobs;
  for (const auto& entry : fs::directory_iterator(jobs_folder())) {
    const fs::path& path = entry.path();
    if (path.extension() != ".source" && path.extension() != ".destination") continue;
    MigrationJob job = read_job(path);
    const bool gone = !job.problem.empty() && !fs::exists(path);  // pruned while we looked
    if (!gone && (all || !job.settled())) jobs.push_back(std::move(job));
  }
  return jobs;
}

bool is_of(const MigrationJob& job, const DomainInfo& domain) {
  const bool same_guest =
      job.uuid.size() == domain.uuid.size() &&
      std::equal(domain.uuid.begin(), domain.uuid.end(), job.uuid.begin(),
                 [](uint8_t a, char b) { return a == static_cast<uint8_t>(b); });
  if (job.boot.empty()) return same_guest;
  return same_guest && job.boot == host_boot() && job.domid == raw(domain.domid);
}

bool writer_runs(const MigrationJob& job) {
  return job.pid > 0 && job.pid_since != 0 &&
         process_start(static_cast<pid_t>(job.pid)) == job.pid_since;
}

void prune_jobs() noexcept {
  constexpr size_t kKeep = 100;
  constexpr auto kKeepFor = std::chrono::hours(24 * 30);
  try {
    std::vector<std::tuple<fs::file_time_type, std::string, bool>> settled;
    for (const MigrationJob& job : list_jobs(true))
      if (job.settled())
        settled.emplace_back(fs::last_write_time(path_of(job.id, job.source)), job.id, job.source);
    std::sort(settled.rbegin(), settled.rend());
    for (size_t i = kKeep; i < settled.size(); ++i) {
      const auto& [written, id, source] = settled[i];
      if (written >= fs::file_time_type::clock::now() - kKeepFor) continue;
      fs::remove(path_of(id, source));
      clear_job_mark(id, source ? JobMark::given_away : JobMark::let_run);
    }
  } catch (const std::exception&) {
    // Another time.
  }
}

void remove_journal(const std::string& id, bool source) {
  std::error_code failed;
  fs::remove(path_of(id, source), failed);
  if (failed) fail(Errc::io, "cannot remove {}: {}", path_of(id, source), failed.message());
  sync_folder(jobs_folder());
  if (source) clear_job_mark(id, JobMark::given_away);
}

std::optional<MigrationJob> find_job(const std::string& id, bool source) {
  if (!is_hex_id(id)) return std::nullopt;
  const std::string path = path_of(id, source);
  if (!fs::exists(path)) return std::nullopt;
  MigrationJob job = read_job(path);
  if (!job.problem.empty()) fail(job.state == 0 ? Errc::io : Errc::unsupported, "{}", job.problem);
  return job;
}

std::string source_of(const MigrationJob& job) {
  return job.peer.names.empty() ? "the source" : "the source, " + job.peer.names.front();
}

std::optional<FileLock> lock_job(const std::string& id, bool source) {
  return FileLock::try_take(path_of(id, source) + ".lock");
}

bool is_worked_on(const std::string& id, bool source) {
  const std::string path = path_of(id, source) + ".lock";
  if (!is_hex_id(id) || !fs::exists(path)) return false;
  return !FileLock::try_take(path);
}

std::optional<FileLock> lock_arrival(const std::string& uuid) {
  return FileLock::try_take(fmt::format("{}/{}.arrival.lock", jobs_folder(), hex(uuid)));
}

std::string new_job_id() {
  return hex(random_bytes(16));
}

std::string new_secret() {
  return random_bytes(kSecretBytes);
}

bool same_secret(const std::string& one, const std::string& other) {
  if (one.size() != kSecretBytes || other.size() != kSecretBytes) return false;
  unsigned differs = 0;
  for (size_t i = 0; i < kSecretBytes; ++i)
    differs |= static_cast<unsigned char>(one[i]) ^ static_cast<unsigned char>(other[i]);
  return differs == 0;
}

std::string job_id_of(const std::string& bytes) {
  if (bytes.size() != 16) fail(Errc::io, "the other host does not speak ferry's protocol");
  return hex(bytes);
}

std::string job_bytes_of(const std::string& id) {
  return unhex(id);
}

void JobJournal::write(const CopyNumber& copy) {
  MigrationJob next = job_;
  next.copy = copy;
  keep(std::move(next));
}

void JobJournal::write_number(unsigned state) {
  MigrationJob next = job_;
  next.state = state;
  keep(std::move(next));
}

void JobJournal::keep(MigrationJob next) {
  Json json = {{"version", kJournalVersion},
               {"state", next.state_name()},
               {"name", next.name},
               {"uuid", hex(next.uuid)},
               {"peer", next.peer.text},
               {"peer_is_command", next.peer.is_command},
               {"peer_names", next.peer.names},
               {"source_secret", hex(next.source_secret)},
               {"destination_secret", hex(next.destination_secret)},
               {"pid", getpid()},
               {"pid_since", process_start(getpid())},
               {"domid", next.domid},
               {"boot", next.boot}};
  if (next.cpu_time_ns) json["cpu_time_ns"] = *next.cpu_time_ns;
  if (next.paused) json["paused"] = true;
  if (next.copy)
    json["copy"] = {{"domid", raw(next.copy->domid)},
                    {"boot", next.copy->boot},
                    {"maker", next.copy->maker},
                    {"maker_start", next.copy->maker_start}};
  if (next.copy && next.copy->cpu_time_ns) json["copy"]["cpu_time_ns"] = *next.copy->cpu_time_ns;
  json["digest"] = digest_in_journal(json);
  write_durably(path_of(next.id, next.source), json_text(json, -1) + "\n");
  job_ = std::move(next);
}

}  // namespace ferry
