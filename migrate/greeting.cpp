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
  return hello;
}

uint32_t greet(Link& link, const v1::MigrateHello& hello, const std::string& peer) {
  v1::MigrateFrame frame;
  *frame.mutable_hello() = hello;
  std::optional<v1::MigrateFrame> answer;
  try {
    link.send(frame);
    answer = link.receive();
  } catch (const Error& e) {
    fail(Errc::io, "{} hung up at once ({})", peer, e.what());
  }
  if (!answer) fail(Errc::io, "{} hung up at once", peer);
  if (answer->has_refusal()) fail(Errc::unsupported, "{}: {}", peer, answer->refusal());
  if (!answer->has_welcome()) fail(Errc::io, "{} does not speak ferry's protocol", peer);
  return std::max(answer->welcome().streams(), 1u);
}

std::vector<Link*> open_streams(Link& first, const SendRequest& request, uint32_t agreed) {
  std::vector<Link*> links = {&first};
  for (uint32_t stream = 1; stream < std::min(agreed, request.streams); ++stream) {
    Link* link = request.open_stream(stream);
    v1::MigrateFrame join;
    join.mutable_join()->set_job(job_bytes_of(request.job));
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
