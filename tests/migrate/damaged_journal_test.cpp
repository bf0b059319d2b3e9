// A bit that a disk has turned in a job's journal used to be believed: "given-away" of a guest that
// never was, or another host's name.
#include <filesystem>
#include <fstream>

#include "migrate/job_journal.h"
#include "tests/migrate/migrate_fixture.h"

namespace ferry::sim {
namespace {

class DamagedJournal : public Migrate {
 protected:
  void SetUp() override {
    Migrate::SetUp();
    job_.id = new_job_id();
    job_.name = "web\xc3\xa9 \"1\"";
    job_.uuid = std::string(16, '\x5a');
    job_.peer = {"host2.lab:7787", false, {"host2.lab"}};
    job_.source_secret = new_secret();
    job_.cpu_time_ns = 12'345'678'901;
    JobJournal(job_).write(SourceState::given_away);
    path_ = folder_ + "/jobs/" + job_.id + ".source";
    std::ifstream file(path_);
    text_.assign(std::istreambuf_iterator<char>(file), {});
  }
  std::optional<MigrationJob> read(const std::string& text) {
    std::ofstream(path_) << text;
    try {
      return find_job(job_.id, true);
    } catch (const Error&) {
      return std::nullopt;
    }
  }

  MigrationJob job_;
  std::string path_, text_;
};

TEST_F(DamagedJournal, regression_no_byte_with_a_flipped_bit_is_believed) {
  ASSERT_TRUE(read(text_));
  for (size_t byte = 0; byte < text_.size(); ++byte) {  // each bit of a byte in turn
    std::string text = text_;
    text[byte] = static_cast<char>(text[byte] ^ (1 << byte % 8));
    const auto job = read(text);
    if (!job) continue;
    // Only where it means the same, such as a digit's case in an escaped letter.
    EXPECT_EQ(job->source_state(), SourceState::given_away) << text;
    EXPECT_EQ(job->name, job_.name) << text;
    EXPECT_EQ(job->uuid, job_.uuid) << text;
    EXPECT_EQ(job->cpu_time_ns, job_.cpu_time_ns) << text;
    EXPECT_EQ(job->peer.text, job_.peer.text) << text;
    EXPECT_EQ(job->peer.names, job_.peer.names) << text;
    EXPECT_TRUE(same_secret(job->source_secret, job_.source_secret)) << text;
  }
}

TEST_F(DamagedJournal, regression_nor_is_one_that_ends_early_or_has_no_digest) {
  for (size_t length = 0; length + 1 < text_.size(); ++length)
    EXPECT_FALSE(read(text_.substr(0, length))) << length;
  EXPECT_FALSE(read(text_.substr(0, text_.find(",\"digest\"")) + "}\n"));
}

}  // namespace
}  // namespace ferry::sim
