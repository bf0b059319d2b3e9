// The life of a domain as libxl looks after it.
#include "xen/libxl_lifecycle.h"

#include <charconv>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>

#include "error/error.h"
#include "xen/suspend_request.h"

extern "C" {
#include <libxl.h>
#include <libxl_utils.h>
#include <xentoollog.h>
}

namespace ferry {
namespace {

// Keeps libxl's last error message: our sentence says what failed, it says why.
struct LastError {
  xentoollog_logger vtable;
  std::string text;
};

void keep_message(xentoollog_logger* logger, xentoollog_level level, int, const char*,
                  const char* format, va_list arguments) {
  if (level < XTL_ERROR) return;
  char text[1024];
  std::vsnprintf(text, sizeof text, format, arguments);
  reinterpret_cast<LastError*>(logger)->text = text;
}
void drop_progress(xentoollog_logger*, const char*, const char*, int, unsigned long,
                   unsigned long) {
}
void destroy_nothing(xentoollog_logger*) {
}

uint32_t raw_id(domid_t domid) {
  return static_cast<uint32_t>(domid);
}

// libxl forks for hotplug scripts; so do we, for the engine.
const libxl_childproc_hooks kOwnChildrenOnly = {
    .chldowner = libxl_sigchld_owner_libxl_always_selective_reap,
    .fork_replacement = nullptr,
    .reaped_callback = nullptr,
};

}  // namespace

struct LibxlLifecycle::State {
  LastError error{{keep_message, drop_progress, destroy_nothing}, {}};
  libxl_ctx* ctx = nullptr;

  [[noreturn]] void fail_libxl(Errc code, std::string_view sentence) {
    if (error.text.empty()) fail(code, "{}", sentence);
    fail(code, "{} (libxl: {})", sentence, error.text);
  }
  bool ended(domid_t domid) const {
    libxl_dominfo info;
    libxl_dominfo_init(&info);
    const bool runs =
        libxl_domain_info(ctx, &info, raw_id(domid)) == 0 && !info.shutdown && !info.dying;
    libxl_dominfo_dispose(&info);
    return !runs;
  }
  std::string why() const {
    return error.text.empty() ? "libxl does not say why" : "libxl: " + error.text;
  }
};

// All domains that there are. Throws Error(no_xen).
class LibxlLifecycle::Domains {
 public:
  explicit Domains(State& state) : list_(libxl_list_domain(state.ctx, &count_)) {
    if (!list_) state.fail_libxl(Errc::no_xen, "libxl cannot list the domains of this host");
  }
  ~Domains() { libxl_dominfo_list_free(list_, count_); }
  Domains(const Domains&) = delete;
  Domains& operator=(const Domains&) = delete;
  std::span<const libxl_dominfo> list() const { return {list_, static_cast<size_t>(count_)}; }

 private:
  int count_ = 0;
  libxl_dominfo* list_;
};

LibxlLifecycle::LibxlLifecycle(std::function<void(domid_t)> before_suspend)
    : state_(std::make_unique<State>()), before_suspend_(std::move(before_suspend)) {
  if (libxl_ctx_alloc(&state_->ctx, LIBXL_VERSION, 0, &state_->error.vtable) != 0)
    state_->fail_libxl(Errc::no_xen,
                       "no Xen toolstack to speak to; run this as root in dom0, with xenstored");
  libxl_childproc_setmode(state_->ctx, &kOwnChildrenOnly, nullptr);
}

LibxlLifecycle::~LibxlLifecycle() {
  libxl_ctx_free(state_->ctx);
}

std::optional<domid_t> LibxlLifecycle::find_if_there(const std::string& name_or_id) {
  uint16_t number = 0;
  const char* end = name_or_id.data() + name_or_id.size();
  const auto [rest, problem] = std::from_chars(name_or_id.data(), end, number);
  const bool numeric = problem == std::errc() && rest == end;
  bool names = false;
  const Domains all(*state_);
  std::optional<domid_t> found;
  for (const libxl_dominfo& one : all.list()) {
    const domid_t domid{static_cast<uint16_t>(one.domid)};
    if (numeric && one.domid == number) return domid;
    if (numeric) continue;
    const std::string its_name = name(domid);
    names = names || !its_name.empty();
    if (its_name == name_or_id) found = domid;
  }
  // Domain 0 has a name, so without any it is xenstored that does not answer.
  if (!numeric && !names)
    state_->fail_libxl(Errc::no_xen, "xenstored does not tell the names of domains");
  return found;
}

std::string LibxlLifecycle::name(domid_t domid) {
  std::unique_ptr<char, void (*)(void*)> name(libxl_domid_to_name(state_->ctx, raw_id(domid)),
                                              std::free);
  return name ? name.get() : "";
}

std::vector<DomainHere> LibxlLifecycle::with_uuid(const std::string& uuid) {
  state_->error.text.clear();
  int count = 0;
  libxl_dominfo* domains = libxl_list_domain(state_->ctx, &count);
  if (!domains) state_->fail_libxl(Errc::internal, "libxl does not say which domains there are");
  std::vector<DomainHere> found;
  for (int i = 0; i < count; ++i) {
    const libxl_dominfo& one = domains[i];
    if (uuid.size() != sizeof one.uuid.uuid ||
        std::memcmp(one.uuid.uuid, uuid.data(), uuid.size()) != 0)
      continue;
    const domid_t domid{static_cast<uint16_t>(one.domid)};
    if (!one.dying) found.push_back({domid, name(domid), one.paused, one.shutdown, one.cpu_time});
  }
  libxl_dominfo_list_free(domains, count);
  return found;
}

std::string LibxlLifecycle::config_json(domid_t domid) {
  libxl_domain_config config;
  libxl_domain_config_init(&config);
  std::string json;
  if (libxl_retrieve_domain_configuration(state_->ctx, raw_id(domid), &config, nullptr) == 0) {
    std::unique_ptr<char, void (*)(void*)> text(libxl_domain_config_to_json(state_->ctx, &config),
                                                std::free);
    if (text) json = text.get();
  }
  libxl_domain_config_dispose(&config);
  if (json.empty())
    state_->fail_libxl(Errc::internal, "libxl has no configuration of the domain to save");
  return json;
}

SuspendWord LibxlLifecycle::word_on_suspend(domid_t domid) {
  return ferry::word_on_suspend(domid);
}

void LibxlLifecycle::suspend(domid_t domid) {
  if (before_suspend_) before_suspend_(domid);
  state_->error.text.clear();
  if (libxl_domain_suspend_only(state_->ctx, raw_id(domid), nullptr) != 0)
    state_->fail_libxl(Errc::guest, fmt::format("domain {} would not suspend", raw_id(domid)));
}

bool LibxlLifecycle::withdraw_suspend(domid_t domid) {
  return withdraw_suspend_request(domid, [&] { return state_->ended(domid); });
}

void LibxlLifecycle::resume(domid_t domid) {
  state_->error.text.clear();
  if (libxl_domain_resume(state_->ctx, raw_id(domid), 1, nullptr) != 0)
    fail_to_resume(domid, state_->why());
}

void LibxlLifecycle::pause(domid_t domid) {
  state_->error.text.clear();
  if (libxl_domain_pause(state_->ctx, raw_id(domid), nullptr) != 0)
    state_->fail_libxl(Errc::internal, fmt::format("domain {} cannot be paused", raw_id(domid)));
}

void LibxlLifecycle::resume_paused(domid_t domid) {
  state_->error.text.clear();
  if (libxl_domain_pause(state_->ctx, raw_id(domid), nullptr) != 0)
    fail_to_pause(domid, state_->why());
  resume(domid);
}

void LibxlLifecycle::destroy(domid_t domid) {
  state_->error.text.clear();
  if (libxl_domain_destroy(state_->ctx, raw_id(domid), nullptr) != 0)
    fail_to_destroy(domid, state_->why());
}

void LibxlLifecycle::rename(domid_t domid, const std::string& new_name) {
  state_->error.text.clear();
  if (libxl_domain_rename(state_->ctx, raw_id(domid), name(domid).c_str(), new_name.c_str()) != 0)
    state_->fail_libxl(Errc::internal,
                       fmt::format("domain {} cannot be called {}", raw_id(domid), new_name));
}

void LibxlLifecycle::unpause(domid_t domid) {
  state_->error.text.clear();
  if (libxl_domain_unpause(state_->ctx, raw_id(domid), nullptr) != 0)
    state_->fail_libxl(Errc::internal, fmt::format("domain {} cannot run", raw_id(domid)));
}

}  // namespace ferry
