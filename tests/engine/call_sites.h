// Which calls of a run come from where: a call site is a way through the program to a call.
#pragma once

#include <execinfo.h>

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "sim/machine/host.h"

namespace ferry::sim {

// Notes the site of every call that a host's toolstack, or its guests, make while it lives.
class CallSites {
 public:
  enum class Of { toolstack, guests };

  explicit CallSites(Host& host, Of of = Of::toolstack) : host_(host), of_(of) {
    set([this](const Call& call) {
      std::vector<void*> stack(64);
      stack.resize(static_cast<size_t>(backtrace(stack.data(), static_cast<int>(stack.size()))));
      kinds_.insert(call.kind);
      if (sites_.emplace(call.kind, std::move(stack)).second) first_calls_.push_back(call.number);
      ++calls_;
    });
  }
  ~CallSites() { set({}); }
  CallSites(const CallSites&) = delete;
  CallSites& operator=(const CallSites&) = delete;

  uint64_t calls() const { return calls_; }
  size_t sites() const { return sites_.size(); }
  size_t kinds() const { return kinds_.size(); }
  // The number of each site's first call.
  const std::vector<uint64_t>& first_calls() const { return first_calls_; }

 private:
  void set(std::function<void(const Call&)> hook) {
    if (of_ == Of::toolstack)
      host_.set_before_call(std::move(hook));
    else
      host_.set_before_guest_call(std::move(hook));
  }

  Host& host_;
  const Of of_;
  uint64_t calls_ = 0;
  std::set<CallKind> kinds_;
  std::set<std::pair<CallKind, std::vector<void*>>> sites_;
  std::vector<uint64_t> first_calls_;
};

}  // namespace ferry::sim
