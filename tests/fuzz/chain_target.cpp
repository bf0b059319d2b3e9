// A delta and its base, both of them hostile.
//
//   chain   | length 2 | bodies of the base's records | bodies of the delta's |   as target image
//
// The delta's head names the base rightly, whatever it says: what a wrong name does, tests know.
#include "base_pages/base_pages.h"
#include "delta/chain.h"
#include "delta/identity.h"
#include "delta/read_base.h"
#include "delta/squash.h"
#include "error/error.h"
#include "pipeline/inline_executor.h"
#include "tests/audit/audit_image.h"
#include "tests/fuzz/core_of.h"
#include "tests/fuzz/framed_bodies.h"
#include "tests/fuzz/targets.h"

namespace ferry::fuzz {
namespace {

constexpr size_t kBodyHeader = 3;
constexpr uint64_t kMostPfns = 1 << 16;

class Nowhere final : public ByteSink {
 public:
  void write(std::span<const std::byte>) override {}
};

std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// The same bodies, in which each head names that base.
Bytes naming(std::span<const std::byte> bodies, const BaseName& name) {
  Bytes out;
  while (bodies.size() >= kBodyHeader) {
    const size_t length =
        std::min(bodies.size() - kBodyHeader,
                 static_cast<size_t>(bodies[1]) | static_cast<size_t>(bodies[2]) << 8);
    std::string body = text_of(bodies.subspan(kBodyHeader, length));
    v1::Head head;
    if (2 + static_cast<unsigned>(bodies[0]) % 29 == v1::Record::kHeadFieldNumber &&
        head.ParseFromString(body)) {
      head.clear_required_features();
      head.add_required_features("delta");
      head.mutable_base()->set_sha256(text_of(name.sha256));
      head.mutable_base()->set_digest_of_digests(text_of(name.digest_of_digests));
      head.mutable_base()->set_bytes(name.bytes);
      body = head.SerializeAsString();
    }
    if (body.size() > 0xffff) return out;
    out.insert(out.end(), {bodies[0], static_cast<std::byte>(body.size()),
                           static_cast<std::byte>(body.size() >> 8)});
    const auto bytes = std::as_bytes(std::span(body));
    out.insert(out.end(), bytes.begin(), bytes.end());
    bodies = bodies.subspan(kBodyHeader + length);
  }
  return out;
}

// False if it is refused, in a sentence: that is how hostile input should end.
template <typename Body>
bool taken(Body body) {
  try {
    body();
    return true;
  } catch (const Error&) {
    return false;
  }
}

bool use(const std::vector<InputFile>& links) {
  InlineExecutor executor;
  const ImageFile image = delta::open_chain(links, executor);
  Nowhere sink;
  const bool looked = taken([&] { look_at(image); });
  const bool squashed = taken([&] { delta::squash(image, sink, executor, 0); });
  const bool read = taken([&] {
    BasePages pages = BasePages::make(kMostPfns);
    delta::read_base(links, pages, executor);
  });
  return looked && squashed && read;
}

}  // namespace

// Page hashes stand for a base, and come from a file too.
bool use_page_hashes(Input input) {
  return taken([&] {
    MemorySource source(input);
    BasePages::make(kMostPfns).read_from(source);
  });
}

bool use_chain(Input input) {
  use_page_hashes(input);
  if (input.size() < 2) return false;
  const size_t length = static_cast<size_t>(input[0]) | static_cast<size_t>(input[1]) << 8;
  input = input.subspan(2);
  const size_t of_base = std::min(input.size(), length);
  bool used = false;
  taken([&] {
    InlineExecutor executor;
    const test::MemoryFile base(image_of_bodies(input.first(of_base)));
    const InputFile base_file(base.path());
    const BaseName name = delta::identify(ImageFile::open_link(base_file), base.path(), executor);
    const test::MemoryFile newest(image_of_bodies(naming(input.subspan(of_base), name)));
    used = use({base_file, InputFile(newest.path())});
  });
  return used;
}

void chain(Input input) {
  use_chain(input);
}

}  // namespace ferry::fuzz
