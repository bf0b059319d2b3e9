// A note that a save of ours has asked a domain to suspend:
//
//   +---------+---------+--------+----------------+--------+------------------------------------+
//   | 16 uuid | 16 boot | 16 job | 4 pid of owner | 4 bits | 8 CPU time, ns, or all ones        |
//   +---------+---------+--------+----------------+--------+------------------------------------+
//   | 8 device | 8 inode | 8 bytes | 8 changed, ns | 4 length of path | 4 zeros | path            |
//   +----------+---------+---------+---------------+------------------+---------+-----------------+
//
// The second line, of an image (files/named_file.h), is not in the notes of earlier versions. It
// comes once for each save that was broken off since the guest has run; a path of no length ends
// them.
// boot: of this host (custody/host_boot.h); job: zeros for none; bits: 1 if the guest was paused,
// and is to be again; CPU time: the domain's.
#include "custody/suspend_mark.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstring>
#include <optional>
#include <string_view>

#include "custody/host_boot.h"
#include "error/error.h"
#include "files/run_directory.h"
#include "io/descriptor.h"

namespace ferry {
namespace {

struct Mark {
  DomainUuid uuid{}, boot{}, job{};
  uint32_t owner = 0;
  uint32_t bits = 0;
  uint64_t cpu_time_ns = ~uint64_t{0};  // all ones: it holds until it is removed
};

struct ImageOfMark {
  uint64_t device = 0, inode = 0, bytes = 0;
  int64_t changed_ns = 0;
  uint32_t path_length = 0, zeros = 0;
};

struct Note {
  Mark mark;
  std::vector<NamedFile> images;
};

uint32_t this_process() {
  return static_cast<uint32_t>(getpid());
}

constexpr uint32_t kWasPaused = 1;

std::string mark_path(domid_t domid) {
  return fmt::format("{}/domain-{}.suspended", run_directory(), static_cast<unsigned>(domid));
}

// The next one; takes it off the bytes.
std::optional<NamedFile> image_in(std::string_view& bytes) {
  ImageOfMark image;
  if (bytes.size() < sizeof image) return std::nullopt;
  std::memcpy(&image, bytes.data(), sizeof image);
  bytes.remove_prefix(sizeof image);
  if (image.path_length == 0 || image.path_length > bytes.size()) return std::nullopt;
  const std::string path(bytes.substr(0, image.path_length));
  bytes.remove_prefix(image.path_length);
  return NamedFile{path, image.device, image.inode, image.bytes, image.changed_ns};
}

std::optional<Note> read_note(domid_t domid) {
  const Descriptor file(open(mark_path(domid).c_str(), O_RDONLY | O_CLOEXEC));
  if (!file && errno != ENOENT)
    fail_errno(Errc::io, errno, fmt::format("cannot read {}", mark_path(domid)));
  std::string bytes(sizeof(Mark) + kMostImagesNoted * (sizeof(ImageOfMark) + PATH_MAX), '\0');
  const ssize_t n = file ? read(file.get(), bytes.data(), bytes.size()) : -1;
  if (n < ssize_t{sizeof(Mark)}) return std::nullopt;
  bytes.resize(static_cast<size_t>(n));
  Note note;
  std::memcpy(&note.mark, bytes.data(), sizeof note.mark);
  std::string_view rest = std::string_view(bytes).substr(sizeof note.mark);
  while (auto image = image_in(rest)) note.images.push_back(std::move(*image));
  return note;
}

std::string bytes_of(const Note& note) {
  std::string bytes(reinterpret_cast<const char*>(&note.mark), sizeof note.mark);
  for (const NamedFile& one : note.images) {
    const ImageOfMark image = {
        one.device, one.inode, one.bytes, one.changed_ns, static_cast<uint32_t>(one.path.size()),
        0};
    bytes.append(reinterpret_cast<const char*>(&image), sizeof image).append(one.path);
  }
  const ImageOfMark end;
  return bytes.append(reinterpret_cast<const char*>(&end), sizeof end);
}

// Over what is there: at no moment is there none. What a longer one leaves behind it means nothing.
void write_note(domid_t domid, const Note& note) {
  const std::string path = mark_path(domid), bytes = bytes_of(note);
  const Descriptor file(open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  const ssize_t n = file ? write(file.get(), bytes.data(), bytes.size()) : -1;
  if (n == static_cast<ssize_t>(bytes.size())) return;
  const int os_errno = n < 0 ? errno : ENOSPC;
  unlink(path.c_str());
  fail_errno(Errc::io, os_errno, fmt::format("cannot write {}", path));
}

bool is_ours(domid_t domid) noexcept {
  try {
    const auto note = read_note(domid);
    return note && note->mark.owner == this_process();
  } catch (const Error&) {
    return false;
  }
}

}  // namespace

void leave_suspend_mark(domid_t domid, const DomainUuid& uuid, const std::string& job,
                        bool was_paused) {
  const Mark mark{.uuid = uuid,
                  .boot = uuid_of(host_boot()),
                  .job = job.empty() ? DomainUuid{} : uuid_of(job),
                  .owner = this_process(),
                  .bits = was_paused ? kWasPaused : 0};
  write_note(domid, {mark, {}});
}

void clear_suspend_mark(domid_t domid) noexcept {
  try {
    unlink(mark_path(domid).c_str());
  } catch (const Error&) {
    // Without a folder there is no note.
  }
}

void clear_own_suspend_mark(domid_t domid) noexcept {
  if (is_ours(domid)) clear_suspend_mark(domid);
}

void expire_own_suspend_mark(const DomainInfo& domain) {
  if (!is_ours(domain.domid)) return;
  Mark mark{.uuid = domain.uuid, .boot = uuid_of(host_boot()), .owner = this_process()};
  mark.cpu_time_ns = domain.cpu_time_ns;
  write_note(domain.domid, {mark, {}});
}

namespace {

std::optional<Note> note_of(const DomainInfo& domain) {
  auto note = read_note(domain.domid);
  if (!note || note->mark.uuid != domain.uuid || note->mark.boot != uuid_of(host_boot()))
    return std::nullopt;
  const uint64_t until = note->mark.cpu_time_ns;
  const bool holds = until == ~uint64_t{0} || domain.cpu_time_ns <= until + kBookedLateNs;
  return holds ? note : std::nullopt;
}

}  // namespace

bool has_suspend_mark(const DomainInfo& domain) {
  return note_of(domain).has_value();
}

bool was_paused_by_suspend_mark(const DomainInfo& domain) {
  const auto note = note_of(domain);
  return note && (note->mark.bits & kWasPaused);
}

std::string job_in_suspend_mark(const DomainInfo& domain) {
  const auto note = note_of(domain);
  if (!note || note->mark.job == DomainUuid{}) return {};
  std::string job;
  for (const uint8_t byte : note->mark.job) job += fmt::format("{:02x}", byte);
  return job;
}

std::vector<NamedFile> images_in_suspend_mark(const DomainInfo& domain) {
  const auto note = note_of(domain);
  return note ? note->images : std::vector<NamedFile>();
}

void note_job(const DomainInfo& domain, const std::string& job) {
  auto note = note_of(domain);
  if (!note) return;
  note->mark.job = job.empty() ? DomainUuid{} : uuid_of(job);
  write_note(domain.domid, *note);
}

void note_images(const DomainInfo& domain, const std::vector<NamedFile>& images) {
  auto note = note_of(domain);
  if (!note) return;
  note->images = images;
  write_note(domain.domid, *note);
}

}  // namespace ferry
