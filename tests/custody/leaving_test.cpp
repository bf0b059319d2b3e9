// What a guest's own word and its configuration say against a save or a migration is told before
// anything is touched, and what they do not say it is not to suffer from.
#include "custody/leaving.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "config/config_record.h"
#include "custody/save_guest.h"
#include "error/error.h"
#include "host/engine_here.h"
#include "migrate/send_guest.h"
#include "pipeline/seeded_executor.h"
#include "save/save.h"
#include "sim/kernel/sim_kernel.h"
#include "sim/seam/binding.h"
#include "sim_toolstack/kernel_guests.h"
#include "sim_toolstack/restore_guest.h"
#include "tests/files/folder.h"

namespace ferry::sim {
namespace {

// With what xenstore and libxl would say.
class Worded final : public SimLifecycle {
 public:
  using SimLifecycle::SimLifecycle;
  SuspendWord word_on_suspend(domid_t) override { return word; }
  std::string config_json(domid_t domid) override {
    auto config = nlohmann::ordered_json::parse(SimLifecycle::config_json(domid));
    config["b_info"].update(more);
    return config.dump();
  }
  void suspend(domid_t domid) override {
    ++asked;
    SimLifecycle::suspend(domid);
  }

  SuspendWord word = SuspendWord::can;
  nlohmann::ordered_json more = nlohmann::ordered_json::object();  // of b_info
  unsigned asked = 0;
};

// Neither end of a migration may hear of anything.
class NoStream final : public ByteSink, public ByteSource {
 public:
  void write(std::span<const std::byte>) override { ADD_FAILURE() << "something was sent"; }
  size_t read(std::span<std::byte>) override { return 0; }
};

class WhatLeaves : public ::testing::Test {
 protected:
  WhatLeaves() {
    setenv("FERRY_STATE_DIR", folder_.path("jobs").c_str(), 1);
    setenv("FERRY_RUN_DIR", folder_.path("run").c_str(), 1);
    KernelSpec spec;
    spec.pages = 2048;
    kernel_ = SimKernel::create(*host_, spec);
    kernel_->fill_memory(1000);
    life_.rename(domid(), "web1");
  }
  ~WhatLeaves() override {
    unsetenv("FERRY_STATE_DIR");
    unsetenv("FERRY_RUN_DIR");
  }
  domid_t domid() const { return domid_t{kernel_->domid()}; }

  void save() {
    const SaveRequest request{"web1", file_, Afterwards::destroy, {}, false, {}};
    save_guest(xen_, life_, host::engine_here(xen_, *executor_), request, {});
  }
  // What it is refused with, "" if it is not.
  std::string refusal() {
    try {
      save();
      return "";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), Errc::unsupported);
      EXPECT_FALSE(std::filesystem::exists(file_));
      EXPECT_EQ(life_.asked, 0u) << "it was asked all the same";
      return e.what();
    }
  }
  void expect_refused(const std::string& why) {
    const std::string said = refusal();
    EXPECT_NE(said.find(why), std::string::npos) << said;
    NoStream nothing;
    Link link(nothing, nothing, {});
    try {
      send_guest(xen_, life_, [](const StreamOrder&) { ADD_FAILURE() << "it was read"; }, link,
                 {"web1", {}});
      ADD_FAILURE() << "it was sent";
    } catch (const Error& e) {
      EXPECT_NE(std::string(e.what()).find(why), std::string::npos) << e.what();
    }
    EXPECT_EQ(life_.asked, 0u);
    kernel_->run(20);  // as if nobody had asked
  }

  TestFolder folder_;
  std::string file_ = folder_.path("web1.ferry");
  std::unique_ptr<Host> host_ = Host::create({.seed = 5, .frames = 16384});
  BindThread bind_{*host_};
  Hypervisor xen_;
  Worded life_{*host_, xen_, kernel_guests(*host_)};
  std::unique_ptr<Executor> executor_ = make_seeded_executor(1, 2);
  std::unique_ptr<SimKernel> kernel_;
};

TEST_F(WhatLeaves, is_no_guest_that_says_what_it_can_do_and_not_that_it_suspends) {
  life_.word = SuspendWord::cannot;
  expect_refused("feature-suspend");
}

TEST_F(WhatLeaves, may_be_a_guest_that_says_nothing) {
  life_.word = SuspendWord::silent;
  testing::internal::CaptureStderr();
  EXPECT_EQ(refusal(), "");
  EXPECT_NE(testing::internal::GetCapturedStderr().find("does not say in xenstore"),
            std::string::npos);
}

TEST_F(WhatLeaves, is_no_guest_with_nomigrate) {
  life_.more = {{"disable_migrate", "True"}};
  expect_refused("nomigrate");
}

// It was saved and destroyed, and every restore refused its image.
TEST_F(WhatLeaves, regression_is_no_guest_whose_configuration_no_restore_takes) {
  life_.more = {{"cmdline", "root=/dev/xvda1\x1b"}};
  expect_refused("no restore would take");
  life_.more = {{"cmdline", "root=/dev/xvda1\tro\nquiet"}};
  EXPECT_EQ(refusal(), "") << "a kernel takes blanks of any kind";
}

TEST_F(WhatLeaves, is_not_domain_0) {
  try {
    check_can_save(xen_, get_domain(xen_, domid_t{0}));
    ADD_FAILURE() << "it could be";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("domain 0"), std::string::npos) << e.what();
  }
}

// Such as one whose balloon driver does not follow: libxl limits whoever is made of its
// configuration to the target.
TEST_F(WhatLeaves, can_be_made_again_although_it_is_above_its_target) {
  const uint64_t pages = get_domain(xen_, domid()).nr_pages;
  life_.more = {{"target_memkb", 4096}};
  testing::internal::CaptureStderr();
  save();
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_NE(said.find("web1: it has 8 MiB of memory, above its target of 4 MiB"), std::string::npos)
      << said;
  const ImageFile image = ImageFile::open(file_);
  const SavedConfig saved = saved_config(image);
  const auto source = image.stream();
  const RestoredGuest restored =
      restore_guest(xen_, life_, saved.header.config, *source, *executor_, false);
  EXPECT_EQ(get_domain(xen_, restored.domid).nr_pages, pages);
}

}  // namespace
}  // namespace ferry::sim
