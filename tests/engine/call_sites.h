// Which calls of a run come from where: a call site is a way through the program to a call.
#pragma once

#include <execinfo.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "sim/machine/host.h"

namespace ferry::sim {

// Notes the site of every call that a host's toolstack makes while it lives.
class CallSites {
 public:
  explicit CallSites(Host& host) : host_(host) {
    host.set_before_call([this](const Call& call) {
      std::vector<void*> stack(64);
      stack.resize(static_cast<size_t>(backtrace(stack.data(), static_cast<int>(stack.size()))));
      kinds_.insert(call.kind);
      sites_.emplace(call.kind, std::move(stack));
      ++calls_;
    });
  }
  ~CallSites() { host_.set_before_call({}); }
  CallSites(const CallSites&) = delete;
  CallSites& operator=(const CallSites&) = delete;

  uint64_t calls() const { return calls_; }
  size_t sites() const { return sites_.size(); }
  size_t kinds() const { return kinds_.size(); }

 private:
  Host& host_;
  uint64_t calls_ = 0;
  std::set<CallKind> kinds_;
  std::set<std::pair<CallKind, std::vector<void*>>> sites_;
};

}  // namespace ferry::sim
