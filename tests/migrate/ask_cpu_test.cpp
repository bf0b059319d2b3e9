// What a host answers about a guest's CPU, and its memory, when it is asked whether it could take
// the guest.
#include <cstring>

#include "migrate/ask_host.h"
#include "tests/migrate/migrate_fixture.h"
#include "xen/cpu_policy.h"
#include "xen/tsc.h"

namespace ferry::sim {
namespace {

constexpr size_t kLeafWords = kCpuidLeafBytes / sizeof(uint32_t);

class AskCpu : public Migrate {
 protected:
  template <typename Change>
  v1::MigrateAnswer ask_after(Change change) {
    v1::MigrateQuestion question;
    {
      const BindThread bind(*from_->host);
      question = question_about(from_->xen, from_->life, domid_t{from_->life.find("web1")});
    }
    change(question);
    const BindThread bind(*to_->host);
    const auto there = [](const std::string&) { return true; };
    return answer(to_->xen, to_->life, {there, there, [this] { return from_domain_0_; }}, question);
  }

  // The register of that number (0: eax) of a leaf without subleaves, or of its first.
  static void change_leaf(v1::MigrateQuestion& question, uint32_t leaf, unsigned in,
                          uint32_t value) {
    std::string& bytes = *question.mutable_cpuid_leaves();
    for (size_t at = 0; at + kCpuidLeafBytes <= bytes.size(); at += kCpuidLeafBytes) {
      uint32_t words[kLeafWords];
      std::memcpy(words, bytes.data() + at, sizeof words);
      if (words[0] != leaf) continue;
      words[2 + in] = value;
      std::memcpy(bytes.data() + at, words, sizeof words);
      return;
    }
    ADD_FAILURE() << "the guest has no leaf " << leaf;
  }

  uint64_t from_domain_0_ = 0;

  static void expect_one(const google::protobuf::RepeatedPtrField<std::string>& sentences,
                         const std::string& part) {
    ASSERT_EQ(sentences.size(), 1) << part;
    EXPECT_NE(sentences[0].find(part), std::string::npos) << sentences[0];
  }
};

TEST_F(AskCpu, memory_that_domain_0_would_give_is_memory) {
  uint64_t free = 0;
  const auto needs = [&](uint64_t more) {
    return ask_after([&](v1::MigrateQuestion& question) {
      const BindThread bind(*to_->host);
      free = free_pages(to_->xen) * kPageSize;
      question.set_guest_bytes(free + more);
    });
  };
  EXPECT_EQ(needs(0).blockers_size(), 0);
  EXPECT_EQ(needs(0).free_bytes(), free);
  expect_one(needs(kPageSize).blockers(), "MiB of free memory, the guest needs");
  from_domain_0_ = uint64_t{64} << 20;
  EXPECT_EQ(needs(0).notes_size(), 0);
  EXPECT_EQ(needs(0).free_bytes(), free + from_domain_0_);
  EXPECT_EQ(needs(uint64_t{20} << 20).blockers_size(), 0);
  expect_one(needs(uint64_t{20} << 20).notes(), "xl will take 21 MiB from its domain 0");
  expect_one(needs((uint64_t{64} << 20) + 1).blockers(), ", and 64 MiB that its domain 0 can give");
}

TEST_F(AskCpu, nothing_is_said_against_the_same_cpu) {
  const v1::MigrateAnswer said = ask_after([](auto&) {});
  EXPECT_EQ(said.blockers_size(), 0) << said.blockers(0);
  EXPECT_EQ(said.notes_size(), 0) << said.notes(0);
}

TEST_F(AskCpu, what_xen_would_refuse_is_told_in_the_words_of_the_restore) {
  for (const uint32_t leaf : {0u, 7u, 0x80000000u})
    expect_one(
        ask_after([&](auto& question) { change_leaf(question, leaf, 0, leaf + 0x40); }).blockers(),
        fmt::format("this host cannot give the guest the CPU features it had: CPUID leaf {:#x}",
                    leaf));
  const uint32_t no_place[kLeafWords] = {0x20000000, 0xffffffff, 1, 0, 0, 0};
  expect_one(ask_after([&](auto& question) {
               question.mutable_cpuid_leaves()->append(reinterpret_cast<const char*>(no_place),
                                                       sizeof no_place);
             }).blockers(),
             "CPUID leaf 0x20000000");
  const uint32_t platform_info[4] = {0xce, 0, 1u << 30, 0};
  expect_one(ask_after([&](auto& question) {
               question.set_msrs(platform_info, sizeof platform_info);
             }).blockers(),
             "MSR 0xce");
}

TEST_F(AskCpu, more_entries_than_this_xen_knows_are_refused) {
  expect_one(ask_after([](auto& question) {
               question.set_msrs(std::string(3 * kMsrEntryBytes, '\0'));
             }).blockers(),
             "its Xen knows fewer CPUID leaves or MSRs");
}

TEST_F(AskCpu, another_maker_is_told) {
  expect_one(ask_after([](auto& question) { change_leaf(question, 0, 1, 0x68747541); }).blockers(),
             "its CPU is made by GenuineIntel, the guest was started on one of AuthineIntel");
}

TEST_F(AskCpu, another_speed_of_the_time_stamp_counter_is_a_note) {
  to_->host->state().cpu_khz = 2'999'999;
  const auto in_mode = [&](uint32_t mode) {
    const v1::MigrateAnswer said = ask_after([&](auto& question) { question.set_tsc_mode(mode); });
    EXPECT_EQ(said.blockers_size(), 0);
    return said.notes();
  };
  expect_one(in_mode(kTscDefault), "runs at 2999999 kHz, the guest's at 2400000 kHz: Xen will");
  expect_one(in_mode(kTscNative), "because tsc_mode is native");
  EXPECT_EQ(in_mode(kTscAlwaysEmulated).size(), 0);
  const v1::MigrateAnswer unsaid = ask_after([](auto& question) { question.set_tsc_khz(0); });
  EXPECT_EQ(unsaid.notes_size(), 0);
}

TEST_F(AskCpu, in_native_mode_the_hosts_counter_is_the_guests) {
  const BindThread bind(*from_->host);
  const domid_t domid{from_->life.find("web1")};
  set_tsc(from_->xen, domid, {.mode = kTscNative});
  EXPECT_EQ(question_about(from_->xen, from_->life, domid).tsc_khz(), 2'400'000u);
}

}  // namespace
}  // namespace ferry::sim
