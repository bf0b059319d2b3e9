// A note that a save of ours has asked a domain to suspend: what `ferry resume` goes by when the
// save and whoever started it are both gone.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "files/named_file.h"
#include "xen/domain.h"

namespace ferry {

// What Xen still books on a domain after it has said that it is suspended, in nanoseconds of CPU
// time: one that has had more has run since.
inline constexpr uint64_t kBookedLateNs = 5'000'000;

// Makes the note (mode 0600, in run_directory()). If there is one already it is this process's from
// now on: whoever starts a save may take over what its engine noted. job: 32 hex digits, or empty,
// of a migration: only the job's own commands resume the guest then. was_paused: whoever brings the
// guest back pauses it. Throws Error(io).
void leave_suspend_mark(domid_t domid, const DomainUuid& uuid, const std::string& job = {},
                        bool was_paused = false);

// Removes it, if there is one.
void clear_suspend_mark(domid_t domid) noexcept;
// The same, but not a note that another process has taken over.
void clear_own_suspend_mark(domid_t domid) noexcept;

// For a suspended domain that somebody else is to resume now: the note of this process means
// nothing any more once the domain has run. Throws Error(io).
void expire_own_suspend_mark(const DomainInfo& domain);

// True if there is one for this very domain, not for an earlier one with the same number or of an
// earlier run of this host, and it has not expired.
bool has_suspend_mark(const DomainInfo& domain);
// That it says so.
bool was_paused_by_suspend_mark(const DomainInfo& domain);
// The migration job that it names; empty for none.
std::string job_in_suspend_mark(const DomainInfo& domain);

// From now on it is that migration job's, whoever made it; empty: none's. Does nothing where there
// is none. Throws Error(io).
void note_job(const DomainInfo& domain, const std::string& job);

// The images that its guest was to be destroyed for, once each had its name; the newest first, at
// most kMostImagesNoted. They go into the note that there is. Throws Error(io).
inline constexpr size_t kMostImagesNoted = 8;
void note_images(const DomainInfo& domain, const std::vector<NamedFile>& images);
// Those that the note names.
std::vector<NamedFile> images_in_suspend_mark(const DomainInfo& domain);

}  // namespace ferry
