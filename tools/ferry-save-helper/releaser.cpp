// Lets the processes of xl's go on that were held while their guest was suspended.
#include "tools/ferry-save-helper/releaser.h"

#include <signal.h>

#include <cstdlib>

#include "error/error.h"
#include "host/xl_watchers.h"

namespace ferry::helper {
namespace {

using host::Standing;

volatile sig_atomic_t told_to_stop = 0;

void note_sigterm(int) {
  told_to_stop = 1;
}

Standing standing_of(const Hypervisor& xen, domid_t domid, const DomainUuid& uuid) {
  try {
    const DomainInfo now = get_domain(xen, domid);
    if (now.uuid != uuid || now.dying) return Standing::gone;
    return now.suspended ? Standing::suspended : Standing::runs;
  } catch (const Error&) {
    return Standing::gone;  // or nobody can tell, and whoever watches it had better look himself
  }
}

}  // namespace

int run_releaser(int argc, char** argv) {
  struct sigaction action = {};
  action.sa_handler = note_sigterm;
  sigaction(SIGTERM, &action, nullptr);
  const domid_t domid{static_cast<uint16_t>(std::atoi(argv[2]))};
  const DomainUuid uuid = uuid_of(argv[3]);
  std::vector<host::XlWatcher> watchers;
  for (int i = 5; i < argc; ++i) watchers.push_back(host::watcher_in(argv[i]));
  const Hypervisor xen;
  host::wait_until_let_go(
      std::atoi(argv[4]), [&] { return standing_of(xen, domid, uuid); }, told_to_stop);
  host::let_xl_watchers_go_on(watchers);
  return 0;
}

}  // namespace ferry::helper
