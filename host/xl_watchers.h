// The processes by which xl restarts or removes a guest once it reboots or shuts down.
//
// Up to Xen 4.19 such a process takes a guest that suspends for one that has gone elsewhere, and
// ends; if the guest runs on here after all, nobody watches it any more: its next reboot leaves it
// off, on_crash means nothing. So it is held (SIGSTOP) before the guest is asked to suspend, and
// goes on once the guest runs again, or is gone. In between another process has it in hand, because
// whoever saves the guest may be killed.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "xen/domain.h"

namespace ferry::host {

struct XlWatcher {
  pid_t pid = 0;
  uint64_t start = 0;  // files/process_start.h
};

// Those of this user that say in their log that they wait for the domain to end. An xl that stays
// in the foreground (xl create -F) has no such log, and is not found.
std::vector<XlWatcher> xl_watchers_of(domid_t domid);

// Holds them all, and starts helper (ferry-save-helper) to let them go on. Where that cannot be
// done they are left alone: no save fails of it.
void hold_xl_watchers(const DomainInfo& domain, const std::string& helper) noexcept;

// ---- In the process that lets them go on -----------------------------------------------------

enum class Standing { runs, suspended, gone };

// Returns once the guest runs after it was suspended, or is gone; or runs and there is nobody any
// more who would suspend it, which is when starter (a pipe's end) is at its end. Also on SIGTERM,
// if stop is set by it.
void wait_until_let_go(int starter, const std::function<Standing()>& look,
                       const volatile int& stop);
void let_xl_watchers_go_on(const std::vector<XlWatcher>& watchers);

// Behind the word --release-watchers: DOMID UUID STARTER PID:START,…
std::vector<std::string> words_of(const std::vector<XlWatcher>& watchers);
// Throws Error(usage).
XlWatcher watcher_in(const std::string& word);

}  // namespace ferry::host
