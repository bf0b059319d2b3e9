// What was done on this host, for node_exporter's textfile collector.
#include "host/metrics.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <map>
#include <thread>

#include "files/file_lock.h"
#include "files/run_directory.h"
#include "io/byte_stream.h"
#include "io/descriptor.h"
#include "text/say.h"

namespace ferry::host {
namespace {

constexpr size_t kLargestFile = 1 << 20;
constexpr std::string_view kOutcomes[] = {"success", "failure", "needs_operator"};

// A summary has no quantiles here: its samples are NAME_sum and NAME_count.
enum class Type { counter, gauge, summary };
constexpr std::string_view kTypes[] = {"counter", "gauge", "summary"};

struct Family {
  std::string_view name;
  Type type;
  std::string_view help;
};

constexpr Family kRuns = {"ferry_operations_total", Type::counter, "Commands that have ended."};
constexpr Family kDuration = {"ferry_operation_duration_seconds", Type::summary,
                              "How long commands took that ended well."};
constexpr Family kGuestBytes = {"ferry_guest_bytes_total", Type::counter,
                                "Memory of the guests of commands that ended well."};
constexpr Family kImageBytes = {"ferry_image_bytes_total", Type::counter,
                                "Bytes of image written or sent by commands that ended well."};
constexpr Family kDowntime = {"ferry_downtime_seconds", Type::summary,
                              "From a guest's suspension until it ran again or was let go."};
constexpr Family kPredicted = {
    "ferry_suspension_predicted_seconds", Type::summary,
    "What live saves and migrations expected when they suspended the guest."};
constexpr Family kMeasured = {
    "ferry_suspension_measured_seconds", Type::summary,
    "The same as it came: from the suspension until all of the guest was written."};
constexpr Family kLastSuccess = {"ferry_last_success_timestamp_seconds", Type::gauge,
                                 "When a command last ended well, in Unix time."};
constexpr Family kFamilies[] = {kRuns,     kDuration,  kGuestBytes, kImageBytes,
                                kDowntime, kPredicted, kMeasured,   kLastSuccess};

std::string command_label(std::string_view command) {
  return fmt::format("{{command=\"{}\"}}", command);
}

std::string_view name_of(std::string_view sample) {
  return sample.substr(0, sample.find('{'));
}

bool belongs_to(std::string_view sample, const Family& family) {
  const std::string_view name = name_of(sample);
  if (family.type != Type::summary) return name == family.name;
  return name.starts_with(family.name) &&
         (name.substr(family.name.size()) == "_sum" || name.substr(family.name.size()) == "_count");
}

// Labels as they are written here, and nothing that would have to be quoted.
bool is_sample(std::string_view text) {
  const auto harmless = [](char c) {
    return (c >= 'a' && c <= 'z') || c == '_' || c == '{' || c == '}' || c == '=' || c == '"' ||
           c == ',';
  };
  return std::all_of(text.begin(), text.end(), harmless) && text.ends_with("\"}") &&
         std::any_of(std::begin(kFamilies), std::end(kFamilies),
                     [&](const Family& family) { return belongs_to(text, family); });
}

// What is in the file, by name and labels.
class Samples {
 public:
  explicit Samples(std::string_view text) {
    while (!text.empty()) {
      const size_t end = std::min(text.find('\n'), text.size());
      take(text.substr(0, end));
      text.remove_prefix(std::min(end + 1, text.size()));
    }
  }

  void add(const Family& family, const std::string& labels, double value) {
    values_[std::string(family.name) + labels] += value;
  }
  void set(const Family& family, const std::string& labels, double value) {
    values_[std::string(family.name) + labels] = value;
  }
  void observe(const Family& family, const std::string& labels, double value) {
    values_[std::string(family.name) + "_sum" + labels] += value;
    values_[std::string(family.name) + "_count" + labels] += 1;
  }

  std::string text() const {
    std::string text;
    for (const Family& family : kFamilies) {
      std::string samples;
      for (const auto& [sample, value] : values_)
        if (belongs_to(sample, family)) samples += fmt::format("{} {}\n", sample, value);
      if (!samples.empty())
        text += fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n{3}", family.name, family.help,
                            kTypes[static_cast<size_t>(family.type)], samples);
    }
    return text;
  }

 private:
  void take(std::string_view line) {
    const size_t blank = line.rfind(' ');
    if (blank == std::string_view::npos || !is_sample(line.substr(0, blank))) return;
    const std::string_view number = line.substr(blank + 1);
    double value = 0;
    const auto [rest, problem] =
        std::from_chars(number.data(), number.data() + number.size(), value);
    if (problem == std::errc() && rest == number.data() + number.size() && std::isfinite(value) &&
        value >= 0)
      values_[std::string(line.substr(0, blank))] = value;
  }

  std::map<std::string, double> values_;
};

// ---- The file ----------------------------------------------------------------------------------

struct Kept {
  std::string folder;
  std::chrono::seconds wait_for_others{0};
};

Kept& kept() {
  static Kept kept;
  return kept;
}

bool is_folder(const std::string& path) {
  struct stat status = {};
  return stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

std::string contents(const std::string& path) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW));
  struct stat status = {};
  if (!file || fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) return {};
  std::vector<std::byte> bytes(kLargestFile);
  bytes.resize(FdSource(file.get(), path).read(bytes));
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// node_exporter is another user, and reads whatever is called *.prom there at any moment. A power
// failure may take the last runs with it.
void replace(const std::string& path, std::string_view text) {
  const std::string next = fmt::format("{}.{}", path, getpid());
  unlink(next.c_str());
  const Descriptor file(open(next.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file) fail_errno(Errc::io, errno, fmt::format("cannot write {}", next));
  try {
    FdSink(file.get(), next).write(std::as_bytes(std::span(text)));
    if (fchmod(file.get(), 0644) != 0 || rename(next.c_str(), path.c_str()) != 0)
      fail_errno(Errc::io, errno, fmt::format("cannot write {}", path));
  } catch (...) {
    unlink(next.c_str());
    throw;
  }
}

FileLock lock() {
  const std::string path = run_directory() + "/metrics.lock";
  for (const auto until = std::chrono::steady_clock::now() + kept().wait_for_others;;) {
    if (auto lock = FileLock::try_take(path)) return std::move(*lock);
    if (std::chrono::steady_clock::now() >= until) fail(Errc::busy, "{} is locked", path);
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

template <typename Change>
void change_file(Change change) noexcept {
  try {
    if (kept().folder.empty() || !is_folder(kept().folder)) return;
    const std::string path = kept().folder + "/ferry.prom";
    const FileLock alone = lock();
    replace(path, change(contents(path)));
  } catch (const std::exception& e) {
    say(fmt::format("ferry: this run is not in the metrics: {}\n", e.what()));
  }
}

double seconds_since_boot() {
  const std::chrono::duration<double> time = std::chrono::steady_clock::now().time_since_epoch();
  return time.count();
}

}  // namespace

void keep_metrics_in(std::string folder, std::chrono::seconds wait_for_others) {
  kept() = {std::move(folder), wait_for_others};
}

std::string with_run(std::string_view text, const CommandRun& run, double unix_time) {
  Samples samples(text);
  const std::string label = command_label(run.command);
  for (const std::string_view outcome : kOutcomes)  // all of them, or a rate() misses the first
    samples.add(kRuns, fmt::format("{{command=\"{}\",result=\"{}\"}}", run.command, outcome),
                outcome == kOutcomes[static_cast<size_t>(run.outcome)] ? 1 : 0);
  if (run.outcome != Outcome::success) return samples.text();
  samples.observe(kDuration, label, run.seconds);
  if (run.guest_bytes) samples.add(kGuestBytes, label, static_cast<double>(run.guest_bytes));
  if (run.image_bytes) samples.add(kImageBytes, label, static_cast<double>(run.image_bytes));
  if (run.downtime) samples.observe(kDowntime, label, *run.downtime);
  samples.set(kLastSuccess, label, std::floor(unix_time));
  return samples.text();
}

std::string with_suspension(std::string_view text, const Suspension& suspension) {
  Samples samples(text);
  const std::string label = command_label(suspension.command);
  samples.observe(kPredicted, label, suspension.predicted);
  samples.observe(kMeasured, label, suspension.measured);
  return samples.text();
}

void count(const CommandRun& run) noexcept {
  const std::chrono::duration<double> now = std::chrono::system_clock::now().time_since_epoch();
  change_file([&](const std::string& text) { return with_run(text, run, now.count()); });
}

void count(const Suspension& suspension) noexcept {
  change_file([&](const std::string& text) { return with_suspension(text, suspension); });
}

Outcome outcome_of(const Error& error) {
  return error.code() == Errc::needs_operator ? Outcome::needs_operator : Outcome::failure;
}

CountedRun::CountedRun(std::string_view command) : began_(seconds_since_boot()) {
  run.command = command;
  run.outcome = Outcome::failure;
}

CountedRun::~CountedRun() {
  run.seconds = seconds_since_boot() - began_;
  if (counts) count(run);
}

}  // namespace ferry::host
