// Restoring a guest on a simulated host.
#include "sim_toolstack/restore_guest.h"

#include "error/error.h"
#include "image_reader/image_records.h"
#include "restore/restore.h"

namespace ferry::sim {

RestoredGuest restore_guest(const Hypervisor& xen, SimLifecycle& life, const std::string& config,
                            ByteSource& image, Executor& executor, bool paused) {
  const RestoreTarget target = life.create(config);
  try {
    ImageRecords records(image, executor);
    const RestoreResult result = restore_domain(xen, target, records, {});
    if (!paused) life.unpause(target.domid);
    return {target.domid, result.store_mfn, result.console_mfn, result.guest_bytes};
  } catch (const Error&) {
    life.discard(target.domid);
    throw;
  }
}

}  // namespace ferry::sim
