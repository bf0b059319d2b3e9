// How a source opens its connections.
#include "migrate/greeting.h"

#include <algorithm>

#include "error/error.h"

namespace ferry {

v1::MigrateHello hello_for(const MigrationJob& job) {
  v1::MigrateHello hello;
  hello.set_version(kMigrateVersion);
  hello.set_job(job_bytes_of(job.id));
  hello.set_name(job.name);
  hello.set_uuid(job.uuid);
  hello.set_secret(job.source_secret);
  return hello;
}

uint32_t greet(Link& link, const v1::MigrateHello& hello, MigrationJob& job) {
  const std::string& peer = job.peer.text;
  v1::MigrateFrame frame;
  *frame.mutable_hello() = hello;
  std::optional<v1::MigrateFrame> answer;
  try {
    link.send(frame);
    answer = link.receive();
  } catch (const Error& e) {
    fail(Errc::io, "{} does not take the call: {}", peer, e.what());
  }
  if (!answer) fail(Errc::io, "{} hung up at once", peer);
  if (answer->has_refusal())
    fail(answer->unknown_job() ? Errc::no_domain : Errc::unsupported, "{}: {}", peer,
         answer->refusal());
  if (!answer->has_welcome()) fail(Errc::io, "{} does not speak ferry's protocol", peer);
  const v1::MigrateWelcome& welcome = answer->welcome();
  if (welcome.version() != kMigrateVersion)
    fail(Errc::unsupported, "{} speaks version {} of the migration protocol, this host version {}",
         peer, welcome.version(), kMigrateVersion);
  if (welcome.secret().size() != kSecretBytes || welcome.challenge().size() != kSecretBytes)
    fail(Errc::io, "{} does not speak ferry's protocol", peer);
  if (job.destination_secret.empty()) job.destination_secret = welcome.secret();
  if (!same_secret(job.destination_secret, welcome.secret()))
    fail(Errc::unsupported, "{} is not the host that job {} went to", peer, job.id);
  link.show(welcome.challenge());
  return std::max(welcome.streams(), 1u);
}

std::vector<Link*> open_streams(Link& first, const SendRequest& request, const MigrationJob& job,
                                uint32_t agreed) {
  std::vector<Link*> links = {&first};
  for (uint32_t stream = 1; stream < std::min(agreed, request.streams); ++stream) {
    Link* link = request.open_stream(stream);
    v1::MigrateFrame join;
    join.mutable_join()->set_job(job_bytes_of(job.id));
    join.mutable_join()->set_secret(job.destination_secret);
    join.mutable_join()->set_stream(stream);
    link->send(join);
    const auto answer = link->receive();
    if (!answer || !answer->has_welcome())
      fail(Errc::io, "{} does not take another connection", request.peer.text);
    links.push_back(link);
  }
  return links;
}

}  // namespace ferry
