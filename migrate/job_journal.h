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

namespace ferry {

// How the other side is reached.
struct Peer {
  std::string text;         // HOST:PORT, or a command whose standard input and output reach it
  bool is_command = false;  // which of them
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

  SourceState source_state() const { return static_cast<SourceState>(state); }
  DestinationState destination_state() const { return static_cast<DestinationState>(state); }
  bool settled() const;
  std::string state_name() const;
};

// $FERRY_STATE_DIR, or /var/lib/ferry/jobs; made if missing, mode 0700. Throws Error(io).
std::string jobs_folder();

// Of this host, the unsettled ones or all. damaged gets a sentence for each file that makes no
// sense; the others are there all the same.
std::vector<MigrationJob> list_jobs(bool all, std::vector<std::string>* damaged = nullptr);
// A file that makes no sense is an Error(io) naming it.
std::optional<MigrationJob> find_job(const std::string& id, bool source);
// Whether the job is about this very domain of this host.
bool is_of(const MigrationJob& job, const DomainInfo& domain);
// Whether the process that wrote the journal last still runs.
bool writer_runs(const MigrationJob& job);
// Journals of jobs that are settled go after a while, the oldest first: not the newest hundred, and
// none of the last month.
void prune_jobs() noexcept;
// A process that works on a job holds its lock; nothing if another one does. Throws Error(io).
std::optional<FileLock> lock_job(const std::string& id, bool source);

std::string new_job_id();
std::string job_id_of(const std::string& bytes);  // of a MigrateHello; throws Error(io)
std::string job_bytes_of(const std::string& id);

// Keeps one job. The file exists once a state has been written.
class JobJournal final : public HandoverJournal<SourceState>,
                         public HandoverJournal<DestinationState> {
 public:
  explicit JobJournal(MigrationJob job) : job_(std::move(job)) {}
  void write(SourceState state) override { write_number(static_cast<unsigned>(state)); }
  void write(DestinationState state) override { write_number(static_cast<unsigned>(state)); }
  const MigrationJob& job() const { return job_; }

 private:
  void write_number(unsigned state);

  MigrationJob job_;
};

}  // namespace ferry
