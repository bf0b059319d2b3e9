// The other end of the conversation is xl's: its words are part of its protocol.
#include "host/xl_incoming.h"

#include <signal.h>

#include "config/libxl_json.h"
#include "error/error.h"
#include "host/engine.h"
#include "proto/xl_wrapper.h"
#include "settings/places.h"

namespace ferry::host {
namespace {

using namespace std::string_view_literals;

// As xl sends them: the first without, the others with a NUL at the end.
constexpr std::string_view kReady = "xl migration receiver ready, send binary domain data.\n"sv;
constexpr std::string_view kWhole = "domain received, ready to unpause\0"sv;
constexpr std::string_view kGo = "domain is yours, you are cleared to unpause\0"sv;
constexpr std::string_view kResult = "my copy unpause results are as follows\0"sv;

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

}  // namespace

void XlIncoming::expect(std::string_view words) {
  Bytes got(words.size());
  const size_t n = FdSource(xl_->output(), "xl migrate-receive").read(got);
  if (n == words.size() && std::equal(got.begin(), got.end(), bytes_of(words).begin())) return;
  fail_as_xl();
}

void XlIncoming::fail_as_xl() const {
  fail(Errc::internal,
       "xl migrate-receive could not make the domain; its messages are on that host");
}

void XlIncoming::begin(const v1::MigrateHello& hello) {
  require_config(hello.libxl_json(), Errc::bad_image, "the guest's configuration");
  xl_ = std::make_unique<Child>(std::vector<std::string>{place<"xl">(), "migrate-receive"},
                                std::vector<std::string>{"LIBXL_SAVE_HELPER=" + helper_path()},
                                std::vector<int>{});
  expect(kReady);
  FdSink(xl_->input(), "xl migrate-receive")
      .write(encode_xl_header({hello.xl_flags(), hello.libxl_json()}));
}

void XlIncoming::take(std::span<const std::byte> bytes) {
  try {
    FdSink(xl_->input(), "xl migrate-receive").write(bytes);
  } catch (const Error&) {
    fail_as_xl();  // it reads no more
  }
}

void XlIncoming::finish() {
  take(encode_libxl_end());
  expect(kWhole);
}

std::optional<domid_t> XlIncoming::find_incoming() {
  try {
    return life_.find(name_ + "--incoming");
  } catch (const Error& e) {
    if (e.code() != Errc::no_domain) throw;
    return std::nullopt;
  }
}

void XlIncoming::run() {
  if (xl_) {
    take(bytes_of(kGo));
    expect(kResult);
    std::byte result{};
    if (FdSource(xl_->output(), "xl migrate-receive").read({&result, 1}) != 1 ||
        result != std::byte{0})
      fail(Errc::needs_operator, "xl could not let {} run; look for it with xl list", name_);
  } else if (const auto domid = find_incoming()) {
    life_.rename(*domid, name_);
    life_.unpause(*domid);
  }
  ran_ = true;
}

// xl takes the end of its input for the source's change of mind and destroys the domain.
void XlIncoming::discard() {
  if (xl_) xl_->wait();
  xl_.reset();
  if (const auto domid = find_incoming()) life_.destroy(*domid);
}

// Left alone, xl would destroy a domain that may be the only copy.
void XlIncoming::leave() {
  if (!xl_) return;
  if (!ran_) kill(xl_->pid(), SIGKILL);
  xl_->wait();
  xl_.reset();
}

}  // namespace ferry::host
