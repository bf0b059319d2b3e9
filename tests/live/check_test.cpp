// ferry check and ferry estimate over a simulated machine: what they find, and that the guest is
// not touched.
#include <gtest/gtest.h>

#include "host/check_guest.h"
#include "pipeline/seeded_executor.h"
#include "sim/builder/compare.h"
#include "sim/seam/binding.h"
#include "tests/engine/toolstack.h"
#include "tests/live/busy_guest.h"

namespace ferry::sim {
namespace {

class FakeLife final : public Lifecycle {
 public:
  explicit FakeLife(domid_t domid) : domid_(domid) {}
  std::optional<domid_t> find_if_there(const std::string&) override { return domid_; }
  std::string name(domid_t) override { return "guest"; }
  std::vector<DomainHere> with_uuid(const std::string&) override { return {}; }
  std::string config_json(domid_t) override { return config; }
  SuspendWord word_on_suspend(domid_t) override { return word; }
  void suspend(domid_t) override { touched = true; }
  bool withdraw_suspend(domid_t) override { return touched = true; }
  void resume(domid_t) override { touched = true; }
  void pause(domid_t) override { touched = true; }
  void resume_paused(domid_t) override { touched = true; }
  void destroy(domid_t) override { touched = true; }
  void rename(domid_t, const std::string&) override { touched = true; }
  void unpause(domid_t) override { touched = true; }

  std::string config = R"({"c_info": {}, "b_info": {}})";
  SuspendWord word = SuspendWord::can;
  bool touched = false;

 private:
  domid_t domid_;
};

class Looked : public ::testing::Test {
 protected:
  Looked() {
    GuestSpec spec;
    spec.pages = 1500;
    guest_ = std::make_unique<BusyGuest>(*host_, spec, 1);
    life_ = std::make_unique<FakeLife>(domid_t{guest_->domid()});
  }
  host::CheckResult check() { return host::check_guest(xen_, *life_, "guest"); }

  Workplace place_;  // a check looks for open jobs
  std::unique_ptr<Host> host_ = Host::create({.seed = 3, .frames = 8192, .shadow_paging = false});
  BindThread bind_{*host_};
  Hypervisor xen_;
  std::unique_ptr<BusyGuest> guest_;
  std::unique_ptr<FakeLife> life_;
};

TEST_F(Looked, ASoundGuestHasNoBlocker) {
  const host::CheckResult result = check();
  EXPECT_TRUE(result.blockers.empty()) << result.blockers.front();
  EXPECT_TRUE(result.notes.empty());
  EXPECT_FALSE(life_->touched);
}

TEST_F(Looked, PassedThroughDevicesAndVirtualNumaAreBlockers) {
  life_->config =
      R"({"c_info": {}, "b_info": {"vnuma_nodes": [{}, {}]}, "pcidevs": [{"func": 0}]})";
  const host::CheckResult result = check();
  ASSERT_EQ(result.blockers.size(), 2u);
  EXPECT_NE(result.blockers[0].find("1 PCI device"), std::string::npos);
  EXPECT_NE(result.blockers[1].find("NUMA"), std::string::npos);
}

TEST_F(Looked, AGuestThatDoesNotSayItCanSuspendIsWorthANote) {
  life_->word = SuspendWord::silent;
  const host::CheckResult result = check();
  EXPECT_TRUE(result.blockers.empty());
  ASSERT_EQ(result.notes.size(), 1u);
  EXPECT_NE(result.notes[0].find("feature-suspend"), std::string::npos);
}

TEST_F(Looked, AGuestThatSaysWhatElseItCanDoIsABlocker) {
  life_->word = SuspendWord::cannot;
  const host::CheckResult result = check();
  ASSERT_EQ(result.blockers.size(), 1u);
  EXPECT_NE(result.blockers[0].find("feature-suspend"), std::string::npos) << result.blockers[0];
}

TEST_F(Looked, NomigrateIsABlockerAndMemoryAboveTheTargetANote) {
  life_->config = R"({"c_info": {}, "b_info": {"disable_migrate": "True"}})";
  host::CheckResult result = check();
  ASSERT_EQ(result.blockers.size(), 1u);
  EXPECT_NE(result.blockers[0].find("nomigrate"), std::string::npos) << result.blockers[0];
  life_->config = R"({"c_info": {}, "b_info": {"target_memkb": 2048}})";
  result = check();
  EXPECT_TRUE(result.blockers.empty());
  ASSERT_EQ(result.notes.size(), 1u);
  EXPECT_NE(result.notes[0].find("above its target of 2 MiB"), std::string::npos)
      << result.notes[0];
}

TEST_F(Looked, AGuestWithoutASoundP2mIsABlocker) {
  const Domain& d = *host_->find_domain(guest_->domid());
  auto& shared = *reinterpret_cast<shared_info_t*>(host_->page(mfn_t(d.shared_info_mfn)));
  shared.arch.p2m_cr3 = uint64_t{1} << 50;
  const host::CheckResult result = check();
  ASSERT_EQ(result.blockers.size(), 1u);
  EXPECT_NE(result.blockers[0].find("p2m"), std::string::npos) << result.blockers[0];
}

TEST_F(Looked, AnEstimateReadsTheGuestAndNeverSuspendsIt) {
  const GuestView before = view_guest(*host_, guest_->domid());
  host::EstimateRequest request;
  request.domain = "guest";
  request.policy.max_rounds = 3;
  const host::Estimate e = host::estimate_guest(xen_, *life_, *make_seeded_executor(1, 3), request);
  EXPECT_GE(e.rounds, 1u);
  EXPECT_LE(e.rounds, 3u);
  EXPECT_GT(e.image_bytes, 0u);
  EXPECT_GT(e.downtime.fixed_us, 0u);
  EXPECT_FALSE(life_->touched);
  EXPECT_TRUE(compare_views(guest_->built(), before, view_guest(*host_, guest_->domid())).empty());
  EXPECT_EQ(seam_usage().mapped_pages, 0u);
}

TEST_F(Looked, ASuspendedGuestIsNotEstimated) {
  guest_->suspend();
  const host::CheckResult checked = check();
  ASSERT_EQ(checked.blockers.size(), 1u);
  EXPECT_NE(checked.blockers[0].find("it may run elsewhere"), std::string::npos);
  host::EstimateRequest request;
  request.domain = "guest";
  EXPECT_THROW(host::estimate_guest(xen_, *life_, *make_seeded_executor(1, 3), request), Error);
}

}  // namespace
}  // namespace ferry::sim
