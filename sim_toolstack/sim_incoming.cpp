// A guest that arrives at a simulated host.
#include "sim_toolstack/sim_incoming.h"

#include <fcntl.h>
#include <unistd.h>

#include "error/error.h"
#include "image_reader/image_records.h"
#include "pipeline/pipeline.h"
#include "restore/restore.h"
#include "sim/seam/binding.h"

namespace ferry::sim {

SimIncoming::~SimIncoming() {
  end_of_stream();
}

void SimIncoming::begin(const v1::MigrateHello& hello) {
  copy_.check_names();
  const RestoreTarget target = life_.create(hello.libxl_json(), copy_.incoming_name());
  copy_.made(target.domid);
  if (pipe2(fds_, O_CLOEXEC) != 0) fail_errno(Errc::io, errno, "cannot make a pipe");
  restorer_ = std::thread([this, target] { restore(target); });
}

void SimIncoming::restore(const RestoreTarget& target) {
  const BindThread bind(host_);
  try {
    FdSource source(fds_[0], "the stream");
    const auto executor = make_thread_executor(1);
    ImageRecords records(source, *executor);
    restore_domain(xen_, target, records, {});
  } catch (...) {
    failure_ = std::current_exception();
  }
  close(fds_[0]);  // whoever still writes gets EPIPE
}

void SimIncoming::take(std::span<const std::byte> bytes) {
  try {
    FdSink(fds_[1], "the restore").write(bytes);
  } catch (const Error&) {
    finish();  // it has ended: it says why
    throw;
  }
}

void SimIncoming::end_of_stream() {
  if (fds_[1] >= 0) close(fds_[1]);
  fds_[1] = -1;
  if (restorer_.joinable()) restorer_.join();
}

void SimIncoming::finish() {
  end_of_stream();
  if (failure_) std::rethrow_exception(failure_);
  copy_.whole();
}

void SimIncoming::discard() {
  end_of_stream();
  copy_.discard();
}

}  // namespace ferry::sim
