// The life of a domain as libxl looks after it.
#pragma once

#include <functional>
#include <memory>

#include "xen/lifecycle.h"

namespace ferry {

class LibxlLifecycle final : public Lifecycle {
 public:
  // before_suspend: what else is to be done first. Throws Error(no_xen).
  explicit LibxlLifecycle(std::function<void(domid_t)> before_suspend = {});
  ~LibxlLifecycle() override;
  LibxlLifecycle(const LibxlLifecycle&) = delete;
  LibxlLifecycle& operator=(const LibxlLifecycle&) = delete;

  std::optional<domid_t> find_if_there(const std::string& name_or_id) override;
  std::string name(domid_t domid) override;
  std::vector<DomainHere> with_uuid(const std::string& uuid) override;
  std::string config_json(domid_t domid) override;
  SuspendWord word_on_suspend(domid_t domid) override;
  void suspend(domid_t domid) override;
  bool withdraw_suspend(domid_t domid) override;
  void resume(domid_t domid) override;
  void pause(domid_t domid) override;
  void resume_paused(domid_t domid) override;
  void destroy(domid_t domid) override;
  void rename(domid_t domid, const std::string& name) override;
  void unpause(domid_t domid) override;

 private:
  struct State;
  class Domains;
  std::unique_ptr<State> state_;
  std::function<void(domid_t)> before_suspend_;
};

}  // namespace ferry
