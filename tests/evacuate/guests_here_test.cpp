// Which guests of a host can go, and why the others stay: over a simulated machine.
#include "evacuate/guests_here.h"

#include <gtest/gtest.h>

#include <map>

#include "custody/suspend_mark.h"
#include "error/error.h"
#include "sim/kernel/sim_kernel.h"
#include "sim/machine/domains.h"
#include "sim/seam/binding.h"
#include "sim_toolstack/kernel_guests.h"
#include "sim_toolstack/lifecycle.h"
#include "tests/files/folder.h"

namespace ferry::sim {
namespace {

// What libxl would know of the guests.
class Configured final : public SimLifecycle {
 public:
  using SimLifecycle::SimLifecycle;
  std::string config_json(domid_t domid) override {
    const auto own = configs.find(name(domid));
    return own != configs.end() ? own->second : SimLifecycle::config_json(domid);
  }
  std::map<std::string, std::string> configs;
};

class GuestsHere : public ::testing::Test {
 protected:
  GuestsHere() { setenv("FERRY_STATE_DIR", folder_.path("jobs").c_str(), 1); }
  ~GuestsHere() override { unsetenv("FERRY_STATE_DIR"); }

  domid_t create(const std::string& name, uint64_t pages = 512) {
    KernelSpec spec;
    spec.pages = pages;
    const auto kernel = SimKernel::create(*host_, spec);
    const domid_t domid{kernel->domid()};
    life_.rename(domid, name);
    return domid;
  }
  std::vector<evacuate::LocalGuest> look(const std::vector<std::string>& left_out = {}) {
    return evacuate::guests_here(xen_, life_, left_out);
  }
  // The sentence against the guest; "" if there is none.
  std::string against(const std::string& name) {
    for (const evacuate::LocalGuest& guest : look())
      if (guest.name == name) return guest.stays.empty() ? "" : guest.stays.front();
    return "it is not there";
  }

  TestFolder folder_;
  std::unique_ptr<Host> host_ = Host::create({.seed = 5, .frames = 16384, .shadow_paging = false});
  BindThread bind_{*host_};
  Hypervisor xen_;
  Configured life_{*host_, xen_, kernel_guests(*host_)};
};

TEST_F(GuestsHere, are_listed_with_what_they_are) {
  const domid_t domid = create("web1", 600);
  const auto all = look();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_TRUE(all[0].meant_to_stay) << "domain 0";
  EXPECT_FALSE(all[0].stays.empty());
  EXPECT_EQ(all[1].domid, domid);
  EXPECT_EQ(all[1].name, "web1");
  EXPECT_EQ(all[1].bytes, get_domain(xen_, domid).nr_pages * kPageSize);
  EXPECT_EQ(all[1].uuid, get_domain(xen_, domid).uuid);
  EXPECT_TRUE(all[1].stays.empty());
  EXPECT_FALSE(all[1].meant_to_stay);
}

TEST_F(GuestsHere, stay_where_their_configuration_forbids_it) {
  create("db1");
  life_.configs["db1"] = R"({"c_info": {"name": "db1"}, "b_info": {"disable_migrate": "True"}})";
  EXPECT_NE(against("db1").find("nomigrate"), std::string::npos) << against("db1");
  life_.configs["db1"] = R"({"c_info": {"name": "db1"}, "b_info": {"disable_migrate": "False"}})";
  EXPECT_EQ(against("db1"), "");
  life_.configs["db1"] = R"({"c_info": {}, "pcidevs": [{"dev": 1}]})";
  EXPECT_NE(against("db1").find("PCI"), std::string::npos) << against("db1");
}

TEST_F(GuestsHere, go_while_they_are_paused_and_stay_while_they_are_suspended) {
  const domid_t paused = create("paused");
  life_.pause(paused);
  EXPECT_NE(against("paused").find("has not run here"), std::string::npos) << against("paused");
  {
    const HostLock lock(*host_);
    host_->find_domain(static_cast<DomainNumber>(paused))->cpu_time_ns = 10'000'000;
  }
  EXPECT_EQ(against("paused"), "");
  const domid_t suspended = create("suspended");
  life_.suspend(suspended);
  EXPECT_NE(against("suspended").find("is suspended, but not by a broken save"), std::string::npos)
      << against("suspended");
}

// Nobody else has it, and it runs nowhere.
TEST_F(GuestsHere, regression_one_that_a_broken_save_left_suspended_is_for_the_operator) {
  setenv("FERRY_RUN_DIR", folder_.path("run").c_str(), 1);
  const domid_t domid = create("web1");
  life_.suspend(domid);
  leave_suspend_mark(domid, get_domain(xen_, domid).uuid);
  const auto all = look();
  clear_suspend_mark(domid);
  unsetenv("FERRY_RUN_DIR");
  ASSERT_EQ(all.size(), 2u);
  ASSERT_EQ(all[1].stays.size(), 1u);
  EXPECT_NE(all[1].stays[0].find(fmt::format("try: ferry resume {}", raw(domid))),
            std::string::npos)
      << all[1].stays[0];
  EXPECT_TRUE(all[1].needs_operator);
}

TEST_F(GuestsHere, are_left_out_by_name_or_number) {
  create("web1");
  const domid_t db1 = create("db1");
  const auto all = look({"web1", std::to_string(raw(db1))});
  ASSERT_EQ(all.size(), 3u);
  for (const auto& guest : all) EXPECT_TRUE(guest.meant_to_stay) << guest.name;
  EXPECT_THROW(look({"nobody"}), Error);
}

}  // namespace
}  // namespace ferry::sim
