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
#include <sstream>

#include <nlohmann/json.hpp>

#include "config/json_text.h"
#include "custody/host_boot.h"
#include "error/error.h"
#include "files/durable.h"
#include "settings/places.h"

namespace ferry {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr std::string_view kSourceStates[] = {"", "sending", "given-away", "taken-back", "done"};
constexpr std::string_view kDestinationStates[] = {
    "", "receiving", "held", "about-to-run", "runs", "never-ran", "may-have-run"};

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

MigrationJob read_job(const fs::path& path) {
  std::ifstream file(path);
  const Json json = Json::parse(file, nullptr, false);
  MigrationJob job;
  try {
    job.id = path.stem();
    job.source = path.extension() == ".source";
    job.state = state_from(json.at("state"), job.source);
    job.name = json.at("name");
    job.uuid = unhex(json.at("uuid"));
    job.peer.text = json.at("peer");
    job.peer.is_command = json.value("peer_is_command", false);
    job.pid = json.value("pid", int64_t{0});
    job.pid_since = json.value("pid_since", uint64_t{0});
    job.domid = json.value("domid", uint16_t{0});
    job.boot = json.value("boot", std::string());
  } catch (const Json::exception&) {
    job.state = 0;
  }
  if (job.state == 0) fail(Errc::io, "{} is no journal of a job", path.string());
  return job;
}

// Ticks since the host started, of the process with that number; 0 if there is none.
uint64_t started(int64_t pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::string text{std::istreambuf_iterator<char>(file), {}};
  // The name in parentheses may hold anything; what follows it are the fields 3, 4, …
  std::istringstream fields(text.substr(std::min(text.size(), text.rfind(')') + 1)));
  std::string field;
  for (unsigned n = 3; n < 22; ++n) fields >> field;
  uint64_t ticks = 0;
  fields >> ticks;
  return ticks;
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

std::vector<MigrationJob> list_jobs(bool all, std::vector<std::string>* damaged) {
  std::vector<MigrationJob> jobs;
  for (const auto& entry : fs::directory_iterator(jobs_folder())) {
    const fs::path& path = entry.path();
    if (path.extension() != ".source" && path.extension() != ".destination") continue;
    try {
      MigrationJob job = read_job(path);
      if (all || !job.settled()) jobs.push_back(std::move(job));
    } catch (const Error& e) {
      if (damaged && fs::exists(path)) damaged->push_back(e.what());
    }
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
  return job.pid > 0 && job.pid_since != 0 && started(job.pid) == job.pid_since;
}

void prune_jobs() noexcept {
  constexpr size_t kKeep = 100;
  constexpr auto kKeepFor = std::chrono::hours(24 * 30);
  try {
    std::vector<std::pair<fs::file_time_type, fs::path>> settled;
    for (const MigrationJob& job : list_jobs(true))
      if (job.settled())
        settled.emplace_back(fs::last_write_time(path_of(job.id, job.source)),
                             path_of(job.id, job.source));
    std::sort(settled.rbegin(), settled.rend());
    for (size_t i = kKeep; i < settled.size(); ++i)
      if (settled[i].first < fs::file_time_type::clock::now() - kKeepFor)
        fs::remove(settled[i].second);
  } catch (const std::exception&) {
    // Another time.
  }
}

std::optional<MigrationJob> find_job(const std::string& id, bool source) {
  if (!is_hex_id(id)) return std::nullopt;
  const std::string path = path_of(id, source);
  if (!fs::exists(path)) return std::nullopt;
  return read_job(path);
}

std::optional<FileLock> lock_job(const std::string& id, bool source) {
  return FileLock::try_take(path_of(id, source) + ".lock");
}

std::string new_job_id() {
  char bytes[16];
  if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes)
    fail_errno(Errc::io, errno, "no randomness for a job's number");
  return hex({bytes, sizeof bytes});
}

std::string job_id_of(const std::string& bytes) {
  if (bytes.size() != 16) fail(Errc::io, "the other host does not speak ferry's protocol");
  return hex(bytes);
}

std::string job_bytes_of(const std::string& id) {
  return unhex(id);
}

void JobJournal::write_number(unsigned state) {
  MigrationJob next = job_;
  next.state = state;
  const Json json = {{"state", next.state_name()},
                     {"name", next.name},
                     {"uuid", hex(next.uuid)},
                     {"peer", next.peer.text},
                     {"peer_is_command", next.peer.is_command},
                     {"pid", getpid()},
                     {"pid_since", started(getpid())},
                     {"domid", next.domid},
                     {"boot", next.boot}};
  write_durably(path_of(next.id, next.source), json_text(json, -1) + "\n");
  job_ = std::move(next);
}

}  // namespace ferry
