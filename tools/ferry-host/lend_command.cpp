// ferry lend: another program reads a running guest.
#include <unistd.h>

#include <memory>
#include <optional>

#include "config/libxl_json.h"
#include "error/error.h"
#include "io/byte_stream.h"
#include "lend/answer.h"
#include "tools/ferry-host/lend_command.h"

namespace ferry::host {
namespace {

// As an image of ferry save would have it; a guest that nobody can make again can be read as well.
std::optional<v1::Config> config_of(Lifecycle& life, const DomainInfo& domain,
                                    const std::string& name) {
  try {
    v1::Config config;
    config.set_name(name);
    config.set_libxl_json(config_to_save(life.config_json(domain.domid)));
    config.set_uuid(domain.uuid.data(), domain.uuid.size());
    return config;
  } catch (const Error&) {
    return std::nullopt;
  }
}

// Whoever asks hears why not.
void lend(const std::string& domain, const OpenHost& open) {
  if (isatty(STDIN_FILENO) == 1)
    fail(Errc::usage,
         "lend is for other programs, which ask by its standard input: ferry core, ferry dmesg, "
         "ferry ps, ferry diff take a guest's name");
  FdSource questions(STDIN_FILENO, "who reads the guest");
  FdSink answers(STDOUT_FILENO, "who reads the guest");
  std::unique_ptr<ThisHost> host;
  std::optional<lend::LentGuest> guest;
  std::string name;
  try {
    host = open();
    const domid_t domid = host->life().find(domain);
    name = host->life().name(domid);
    guest.emplace(host->xen(), domid,
                  config_of(host->life(), get_domain(host->xen(), domid), name));
  } catch (const Error& error) {
    return lend::refuse_to_answer(error, questions, answers);
  }
  lend::answer(*guest, name, questions, answers);
}

}  // namespace

void add_lend_command(Command app, OpenHost open) {
  auto domain = std::make_shared<std::string>();
  Command command = app.add_command("lend", "Let another program read a running guest");
  command.footer(
      "ferry core, dmesg, ps and diff start it for a guest that runs; nobody else has to. It "
      "answers on\n"
      "standard output what it is asked on standard input, until there are no more questions. The "
      "guest\n"
      "runs on, and is never stopped.\n"
      "\nExample:\n  ferry dmesg --via 'ssh host2 ferry lend' web1");
  command.add_option("DOMAIN", *domain, "Name or number of the domain").required();
  command.callback([domain, open = std::move(open)] { lend(*domain, open); });
}

}  // namespace ferry::host
