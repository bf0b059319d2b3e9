// What of a folder of images can be restored.
#include "delta/folder.h"

#include <algorithm>
#include <array>
#include <map>

#include "delta/identity.h"
#include "error/error.h"
#include "proto/record_reader.h"
#include "proto/xl_wrapper.h"

namespace ferry::delta {
namespace {

std::string hex_of_hash(const BaseName& name) {
  return hex_of({reinterpret_cast<const char*>(name.sha256.data()), name.sha256.size()});
}

bool seems_an_image(const InputFile& file) {
  Bytes first(std::min<uint64_t>(file.size(), kMagicRecord));
  file.read_at(0, first);
  return first.size() >= sizeof(uint64_t) && (looks_like_image(first) || looks_like_xl_file(first));
}

// What a power failure has left of one may begin with zeros, or with nothing.
bool is_called_an_image(const InputFile& file) {
  return file.path().ends_with(".ferry");
}

class Verifying {
 public:
  Verifying(const std::vector<InputFile>& files, Executor& executor)
      : files_(files), executor_(executor), nr_pfns_(files.size()) {}

  std::vector<FolderEntry> run() {
    for (size_t i = 0; i < files_.size(); ++i) entries_.push_back(look_at(i));
    for (size_t i = 0; i < entries_.size(); ++i)
      if (!entries_[i].sha256.empty()) by_hash_.emplace(entries_[i].sha256, i);
    for (FolderEntry& entry : entries_) find_base(entry);
    for (size_t i = 0; i < entries_.size(); ++i) judge(i);
    return std::move(entries_);
  }

 private:
  FolderEntry look_at(size_t i) {
    const InputFile& file = files_[i];
    FolderEntry entry;
    entry.path = file.path();
    entry.bytes = file.size();
    if (!seems_an_image(file) && !is_called_an_image(file)) return entry;
    try {
      const ImageFile image = ImageFile::open_link(file);
      nr_pfns_[i] = image.head().nr_pfns();
      entry.delta = is_delta(image.head());
      if (entry.delta) entry.base_sha256 = hex_of(image.head().base().sha256());
      entry.sha256 = hex_of_hash(identify(image, file.path(), executor_));
      entry.state = LinkState::orphaned;
    } catch (const Error& error) {
      if (error.code() != Errc::bad_image && error.code() != Errc::unsupported) throw;
      entry.state = LinkState::damaged;
      entry.why = error.what();
    }
    return entry;
  }

  void find_base(FolderEntry& entry) {
    if (entry.state != LinkState::orphaned || !entry.delta) return;
    const auto found = by_hash_.find(entry.base_sha256);
    if (found == by_hash_.end()) return;
    entry.base = found->second;
    ++entries_[found->second].deltas_upon_it;
  }

  // From the oldest link that is not judged yet up to this one. No image can be its own base: it
  // would have to hold its own hash.
  void judge(size_t i) {
    std::vector<size_t> chain;
    for (std::optional<size_t> at = i; at && undecided(*at); at = entries_[*at].base)
      chain.push_back(*at);
    for (auto link = chain.rbegin(); link != chain.rend(); ++link) judge_link(*link);
  }
  bool undecided(size_t i) const {
    return entries_[i].state == LinkState::orphaned && entries_[i].why.empty();
  }

  void judge_link(size_t i) {
    FolderEntry& entry = entries_[i];
    if (!entry.delta) {
      entry.state = LinkState::restorable;
      entry.links = 1;
    } else if (!entry.base) {
      entry.why = fmt::format("{}: its base is missing: the image with the SHA-256 {}", entry.path,
                              entry.base_sha256);
    } else if (const FolderEntry& base = entries_[*entry.base];
               base.state != LinkState::restorable) {
      entry.why = fmt::format("{}: its base cannot be restored: {}", entry.path, base.path);
    } else if (nr_pfns_[i] < nr_pfns_[*entry.base]) {
      entry.state = LinkState::damaged;
      entry.why = fmt::format("{}: it has fewer pfns than its base, {}", entry.path, base.path);
    } else {
      entry.state = LinkState::restorable;
      entry.links = base.links + 1;
    }
  }

  const std::vector<InputFile>& files_;
  Executor& executor_;
  std::vector<FolderEntry> entries_;
  std::vector<uint64_t> nr_pfns_;
  std::map<std::string, size_t> by_hash_;
};

}  // namespace

const char* state_name(LinkState state) {
  switch (state) {
    case LinkState::restorable:
      return "restorable";
    case LinkState::orphaned:
      return "orphaned";
    case LinkState::damaged:
      return "damaged";
    case LinkState::no_image:
      break;
  }
  return "no image";
}

std::vector<FolderEntry> verify_folder(const std::vector<InputFile>& files, Executor& executor) {
  return Verifying(files, executor).run();
}

}  // namespace ferry::delta
