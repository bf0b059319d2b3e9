// What a host remembers of a migration job, whatever happens to it: one small file a job.
//
// A change is a whole new file, synced and renamed over the old one, and the folder synced: after
// write() returns it survives a power failure. Mode 0600.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "files/file_lock.h"
#include "handover/destination_handover.h"
#include "handover/source_handover.h"
#include "xen/domain.h"
#include "xen/lifecycle.h"

namespace ferry {

// How the other side is reached.
struct Peer {
  std::string text;         // HOST:PORT, or a command whose standard input and output reach it
  bool is_command = false;  // which of them
  // What its certificate vouches for; none over a command. Whoever settles the job has to have all.
  std::vector<std::string> names = {};
};

// Of this file's contents. Journals of another version are listed, and nothing else.
inline constexpr unsigned kJournalVersion = 4;

// The destination's copy, as soon as there is one.
struct CopyNumber {
  domid_t domid{};
  std::string boot;          // domids mean something in one boot of the host only
  int64_t maker = 0;         // the program that makes it, 0: none; it may outlive us
  uint64_t maker_start = 0;  // when that was started, in ticks since the host was
  // When it was whole, and had not run; nothing before, and in a journal of an earlier version.
  std::optional<uint64_t> cpu_time_ns = {};

  friend bool operator==(const CopyNumber&, const CopyNumber&) = default;
};

struct MigrationJob {
  std::string id;          // 32 hex digits
  bool source = true;      // which side this host is
  unsigned state = 0;      // SourceState or DestinationState
  std::string name;        // the guest's
  std::string uuid;        // 16 bytes
  Peer peer;               // of the destination: who it was, for people
  int64_t pid = 0;         // of the process that wrote this
  uint64_t pid_since = 0;  // when it started, in ticks since the host did (proc(5), starttime)
  // Of a source: the domain that it is, in one run of the host (custody/host_boot.h).
  uint16_t domid = 0;
  std::string boot;  // empty in a journal of an earlier version
  // What it had had of the CPUs when the job had suspended it; nothing until it is given away. One
  // that has had more since was resumed by somebody else.
  std::optional<uint64_t> cpu_time_ns = {};
  unsigned version = kJournalVersion;
  // What only the two ends know, 32 bytes each: the source's, and the destination's.
  std::string source_secret, destination_secret;
  std::optional<CopyNumber> copy;  // at the destination
  bool paused = false;             // there: the guest is to have its name, and not to run
  std::string problem;             // why this journal cannot be worked on; empty: it can

  SourceState source_state() const { return static_cast<SourceState>(state); }
  DestinationState destination_state() const { return static_cast<DestinationState>(state); }
  bool settled() const;
  std::string state_name() const;
};

// $FERRY_STATE_DIR, or /var/lib/ferry/jobs; made if missing, mode 0700. Throws Error(io).
std::string jobs_folder();

// Of this host, the unsettled ones or all; those whose file makes no sense too, with their problem.
std::vector<MigrationJob> list_jobs(bool all);
// For people: "the source", with the name that its certificate vouches for, if it has one.
std::string source_of(const MigrationJob& job);
// To work on it. Throws Error(io) for a file that makes no sense, and Error(unsupported) for one of
// another version of ferry.
std::optional<MigrationJob> find_job(const std::string& id, bool source);
// Whether the job is about this very domain of this host.
bool is_of(const MigrationJob& job, const DomainInfo& domain);
// Whether the process that wrote the journal last still runs.
bool writer_runs(const MigrationJob& job);
// Of a job that find_job() makes no sense of: it is as if there never were one. Throws Error(io).
void remove_journal(const std::string& id, bool source);
// Journals of jobs that are settled go after a while, the oldest first: not the newest hundred, and
// none of the last month.
void prune_jobs() noexcept;
// A process that works on a job holds its lock; nothing if another one does. Throws Error(io).
std::optional<FileLock> lock_job(const std::string& id, bool source);
// Whether some process of this host holds that lock.
bool is_worked_on(const std::string& id, bool source);
// The same for whoever brings a guest to this host: one job at a time for each uuid.
std::optional<FileLock> lock_arrival(const std::string& uuid);

std::string new_job_id();
inline constexpr size_t kSecretBytes = 32;
std::string new_secret();
// Also in time that does not tell how much of them is the same.
bool same_secret(const std::string& one, const std::string& other);
std::string job_id_of(const std::string& bytes);  // of a MigrateHello; throws Error(io)
std::string job_bytes_of(const std::string& id);

// Keeps one job. The file exists once a state has been written.
class JobJournal final : public HandoverJournal<SourceState>,
                         public HandoverJournal<DestinationState> {
 public:
  explicit JobJournal(MigrationJob job) : job_(std::move(job)) {}
  void write(SourceState state) override { write_number(static_cast<unsigned>(state)); }
  void write(DestinationState state) override { write_number(static_cast<unsigned>(state)); }
  // The copy's number, beside the state that was written last.
  void write(const CopyNumber& copy);
  // Of a source's guest that is suspended; it goes into the journal with the next state.
  void note_suspended_with(uint64_t cpu_time_ns) { job_.cpu_time_ns = cpu_time_ns; }
  const MigrationJob& job() const { return job_; }

 private:
  void write_number(unsigned state);
  void keep(MigrationJob next);

  MigrationJob job_;
};

}  // namespace ferry
