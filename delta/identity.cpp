// The hash by which a delta names its base.
#include "delta/identity.h"

#include <algorithm>
#include <memory>

#include "error/error.h"
#include "proto/image_hash.h"
#include "proto/record_reader.h"

namespace ferry::delta {
namespace {

class RecordJob final : public Job {
 public:
  RecordJob(RecordReader& reader, ImageHash& all, RawRecord record)
      : reader_(reader), all_(all), record_(std::move(record)) {}

  void work() override {
    check_digest(record_);
    hash_ = ImageHash::of_record(record_.bytes);
  }
  void consume() override {
    all_.add(hash_);
    reader_.reuse(std::move(record_.bytes));
  }

 private:
  RecordReader& reader_;
  ImageHash& all_;
  RawRecord record_;
  ImageHash::Sha256 hash_{};
};

}  // namespace

BaseName identify(const ImageFile& link, const std::string& path, Executor& executor) {
  try {
    const std::unique_ptr<ByteSource> source = link.stream();
    RecordReader reader(*source);
    ImageHash all;
    executor.run([&]() -> std::unique_ptr<Job> {
      std::optional<RawRecord> record = reader.next();
      if (!record) return nullptr;
      return std::make_unique<RecordJob>(reader, all, std::move(*record));
    });
    BaseName name;
    name.sha256 = all.result();
    const std::string& digest = link.end().digest_of_digests();
    std::ranges::copy(std::as_bytes(std::span(digest)).first(name.digest_of_digests.size()),
                      name.digest_of_digests.begin());
    name.bytes = link.end().bytes();
    return name;
  } catch (const Error& error) {
    if (error.code() != Errc::bad_image) throw;
    throw Error(Errc::bad_image, fmt::format("{}: {}", path, error.what()));
  }
}

}  // namespace ferry::delta
