// What xl migrate-receive does, step for step, with a simulated host instead of libxl: the domain
// is made under the name NAME--incoming before the guest is read; it gets its own name and runs
// once that was allowed; whatever goes wrong, or a source that changes its mind, destroys it.
//
// usage: FERRY_SIM_HOST=FILE fake_xl migrate-receive
// FAKE_XL: a step to fail at, "refuse" (makes no domain), "die-before-go".
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include "error/error.h"
#include "image_reader/image_records.h"
#include "pipeline/pipeline.h"
#include "proto/xl_wrapper.h"
#include "restore/restore.h"
#include "sim/seam/binding.h"
#include "sim_toolstack/kernel_guests.h"
#include "sim_toolstack/lifecycle.h"
#include "tools/ferry-sim/kill_switch.h"

namespace ferry::sim {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kReady = "xl migration receiver ready, send binary domain data.\n"sv;
constexpr std::string_view kWhole = "domain received, ready to unpause\0"sv;
constexpr std::string_view kGo = "domain is yours, you are cleared to unpause\0"sv;
constexpr std::string_view kResult = "my copy unpause results are as follows\0"sv;

void say(std::string_view words) {
  FdSink(STDOUT_FILENO, "the source").write(std::as_bytes(std::span(words)));
}

bool is_told_to(std::string_view step) {
  const char* told = std::getenv("FAKE_XL");
  return told && told == step;
}

// "name": "…" of c_info, as xl finds it.
std::string name_in(const std::string& config) {
  const size_t key = config.find("\"name\"");
  const size_t begin = config.find('"', config.find(':', key)) + 1;
  return config.substr(begin, config.find('"', begin) - begin);
}

class Receiver {
 public:
  explicit Receiver(const char* path)
      : host_(Host::open_file(path)), bind_(*host_), life_(*host_, xen_, kernel_guests(*host_)) {
    install_kill_switch(*host_);
  }

  int run() {
    say(kReady);
    if (is_told_to("refuse")) return EXIT_FAILURE;
    FdSource in(STDIN_FILENO, "the source");
    const std::string config = read_xl_header(in).config;
    name_ = name_in(config);
    const RestoreTarget target = life_.create(config, name_ + "--incoming");
    domid_ = target.domid;
    try {
      const auto executor = make_thread_executor(1);
      ImageRecords records(in, *executor);
      restore_domain(xen_, target, records, {});
      Bytes end(encode_libxl_end().size());
      if (in.read(end) != end.size()) fail(Errc::io, "the stream is not whole");
    } catch (const Error& e) {
      fmt::print(stderr, "migration target: {}\n", e.what());
      life_.destroy(domid_);
      return EXIT_FAILURE;
    }
    say(kWhole);
    if (is_told_to("die-before-go")) raise(SIGKILL);
    Bytes words(kGo.size());
    if (in.read(words) != words.size() || std::memcmp(words.data(), kGo.data(), kGo.size()) != 0) {
      life_.destroy(domid_);
      return EXIT_FAILURE;
    }
    return let_run();
  }

 private:
  int let_run() {
    char failed = 0;
    try {
      life_.rename(domid_, name_);
      life_.unpause(domid_);
    } catch (const Error&) {
      failed = 3;
    }
    say(kResult);
    say({&failed, 1});
    if (!failed) return EXIT_SUCCESS;
    life_.destroy(domid_);
    say(kGo);  // its leave for the source to go on
    return EXIT_FAILURE;
  }

  std::unique_ptr<Host> host_;
  BindThread bind_;
  Hypervisor xen_;
  SimLifecycle life_;
  std::string name_;
  domid_t domid_{};
};

}  // namespace
}  // namespace ferry::sim

int main(int argc, char** argv) {
  const char* host = std::getenv("FERRY_SIM_HOST");
  if (argc != 2 || std::string_view(argv[1]) != "migrate-receive" || !host) return 2;
  signal(SIGPIPE, SIG_IGN);
  try {
    return ferry::sim::Receiver(host).run();
  } catch (const std::exception& e) {
    fmt::print(stderr, "fake_xl: {}\n", e.what());
    return EXIT_FAILURE;
  }
}
