// The other end of the conversation is xl's: its words are part of its protocol.
#include "host/xl_incoming.h"

#include <poll.h>
#include <signal.h>

#include <chrono>
#include <thread>

#include "config/libxl_json.h"
#include "custody/host_boot.h"
#include "error/error.h"
#include "files/process_start.h"
#include "host/engine.h"
#include "host/process.h"
#include "proto/xl_wrapper.h"
#include "settings/places.h"

namespace ferry::host {
namespace {

using namespace std::chrono_literals;
using namespace std::string_view_literals;
using Clock = std::chrono::steady_clock;

// As xl sends them: the first without, the others with a NUL at the end.
constexpr std::string_view kReady = "xl migration receiver ready, send binary domain data.\n"sv;
constexpr std::string_view kWhole = "domain received, ready to unpause\0"sv;

// xl makes the domain before it reads the guest. One that frees memory for it first may take long;
// after so long the guest is sent all the same, and the domain looked for meanwhile.
constexpr auto kDomainTime = 60s;
// xl without its input cleans up and ends; one that does not hangs in a hotplug script or worse.
constexpr auto kEndTime = 20s;

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

}  // namespace

XlIncoming::XlIncoming(Lifecycle& life, const MigrationJob& job)
    : copy_(life, job), number_(job.copy), name_(job.name) {
}

bool XlIncoming::expect(std::string_view words) {
  Bytes got(words.size());
  const size_t n = FdSource(xl_->output(), "xl migrate-receive").read(got);
  return n == words.size() && std::equal(got.begin(), got.end(), bytes_of(words).begin());
}

void XlIncoming::fail_as_xl() const {
  fail(Errc::internal,
       "xl migrate-receive could not make the domain; its messages are on that host");
}

void XlIncoming::begin(const v1::MigrateHello& hello) {
  require_config(hello.libxl_json(), Errc::bad_image, "the guest's configuration");
  copy_.check_names();
  xl_ = std::make_unique<Child>(std::vector<std::string>{place<"xl">(), "migrate-receive"},
                                environment_of_xl(), std::vector<int>{});
  xl_may_live_ = false;
  if (!expect(kReady)) fail_as_xl();
  take(encode_xl_header({kXlFlagJson | kXlFlagStreamV2, hello.libxl_json()}));
  wait_for_domain();
}

void XlIncoming::look() {
  if (number_ || !copy_.look()) return;
  number_ = copy_.known();
  number_->maker = xl_->pid();
  number_->maker_start = process_start(xl_->pid());
}

void XlIncoming::wait_for_domain() {
  for (const auto until = Clock::now() + kDomainTime; Clock::now() < until;) {
    look();
    if (number_) return;
    pollfd said = {xl_->output(), POLLIN, 0};
    if (poll(&said, 1, 20) > 0) fail_as_xl();  // it has nothing to say but why it ends
  }
}

void XlIncoming::take(std::span<const std::byte> bytes) {
  try {
    FdSink(xl_->input(), "xl migrate-receive").write(bytes);
  } catch (const Error&) {
    fail_as_xl();  // it reads no more
  }
  look();
}

void XlIncoming::finish() {
  take(encode_libxl_end());
  if (!expect(kWhole)) fail_as_xl();
  look();
  copy_.whole();
  if (number_) number_->cpu_time_ns = copy_.known()->cpu_time_ns;
  leave();
}

bool XlIncoming::present() {
  end_left_over_xl();
  return copy_.find().has_value();
}

bool XlIncoming::run() {
  end_left_over_xl();
  return copy_.run();
}

// Its input at an end, it destroys what has not been given to it.
void XlIncoming::end_xl() {
  if (!xl_) return;
  xl_->close_input();
  end_process(xl_->pid(), process_start(xl_->pid()), kEndTime);
  xl_->wait();
  xl_.reset();
}

// Nobody else may work on the copy: an xl whose ferry was killed goes on until it is done.
void XlIncoming::end_left_over_xl() {
  if (!xl_may_live_) return;
  xl_may_live_ = false;
  if (number_ && number_->maker != 0 && number_->boot == host_boot())
    end_process(static_cast<pid_t>(number_->maker), number_->maker_start, kEndTime);
}

void XlIncoming::discard() {
  end_left_over_xl();
  if (xl_) look();
  end_xl();
  copy_.discard();
}

// The domain is whole, and a process of xl's own watches it. The one that made it would destroy it
// if we were killed before it could be told to let it run, and then nobody could say that it never
// ran; so it goes first, and whoever has the journal finds the domain as it is.
void XlIncoming::leave() {
  if (!xl_) return;
  kill(xl_->pid(), SIGKILL);
  xl_->wait();
  xl_.reset();
}

}  // namespace ferry::host
