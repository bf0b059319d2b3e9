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

namespace ferry {

// How the other side is reached.
struct Peer {
  std::string text;         // HOST:PORT, or a command whose standard input and output reach it
  bool is_command = false;  // which of them
};

struct MigrationJob {
  std::string id;      // 32 hex digits
  bool source = true;  // which side this host is
  unsigned state = 0;  // SourceState or DestinationState
  std::string name;    // the guest's
  std::string uuid;    // 16 bytes
  Peer peer;           // of the destination: who it was, for people
  int64_t pid = 0;     // of the process that wrote this

  SourceState source_state() const { return static_cast<SourceState>(state); }
  DestinationState destination_state() const { return static_cast<DestinationState>(state); }
  bool settled() const;
  std::string state_name() const;
};

// $FERRY_STATE_DIR, or /var/lib/ferry/jobs; made if missing, mode 0700. Throws Error(io).
std::string jobs_folder();

// Of this host, the unsettled ones or all. A file that makes no sense is an Error(io) naming it.
std::vector<MigrationJob> list_jobs(bool all);
std::optional<MigrationJob> find_job(const std::string& id, bool source);
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
