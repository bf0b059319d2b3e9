// Writes the seeds of tests/corpus: small sound inputs for each target.
//
// usage: make_corpus FOLDER
#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "convert/export.h"
#include "migrate/link.h"
#include "migrate/plain_frame.h"
#include "tests/audit/audit_image.h"
#include "tests/audit/image_builder.h"
#include "tests/delta/make_delta.h"
#include "tests/fuzz/framed_bodies.h"

namespace ferry {
namespace {

void write(const std::filesystem::path& path, std::span<const std::byte> bytes) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream out(path, std::ios::binary);
  out.write(reinterpret_cast<const char*>(bytes.data()),
            static_cast<std::streamsize>(bytes.size()));
}

// A guest of few pages: every byte of a stream counts.
test::TestGuest small_guest() {
  test::TestGuest guest(1);
  using G = test::TestGuest;
  guest.page(G::kUserL4).words[G::kP2mVaddr >> 39 & 511] = test::table_entry(G::kP2mL3);
  guest.head.set_p2m_root_pfn(G::kUserL4);
  guest.set_shared_info(3112, G::kUserL4 << 12);
  return guest;
}

// | length 2 | bodies of the base | bodies of the delta |
void write_chain(const std::filesystem::path& path) {
  test::TestGuest guest = small_guest();
  const Bytes whole = test::build(guest);
  const test::MemoryFile file(whole);
  guest.page(test::TestGuest::kData).words[1] = 1;
  guest.page(test::TestGuest::kZero) = {.kind = v1::DATA, .words = {7}};
  const Bytes base = fuzz::bodies_of_image(whole);
  const Bytes delta = fuzz::bodies_of_image(
      test::delta_of(ImageFile::open(file.path()), whole, test::build(guest)));
  Bytes both = {static_cast<std::byte>(base.size()), static_cast<std::byte>(base.size() >> 8)};
  both.insert(both.end(), base.begin(), base.end());
  both.insert(both.end(), delta.begin(), delta.end());
  write(path, both);
}

// A source's frames, one of each kind.
std::vector<v1::MigrateFrame> all_frames() {
  std::vector<v1::MigrateFrame> all(6);
  v1::MigrateHello& hello = *all[0].mutable_hello();
  hello.set_version(kMigrateVersion);
  hello.set_job(std::string(16, 'j'));
  hello.set_secret(std::string(32, 's'));
  hello.set_uuid(std::string(16, 'u'));
  hello.set_name("web1");
  hello.set_libxl_json("{}");
  v1::MigrateTakenBack& earlier = *hello.add_taken_back();
  earlier.set_job(std::string(16, 'e'));
  earlier.set_secret(std::string(32, 't'));
  v1::MigrateQuestion& question = *all[1].mutable_question();
  question.set_version(kMigrateVersion);
  question.set_name("web1");
  question.set_uuid(std::string(16, 'u'));
  question.set_libxl_json("{}");
  question.set_cpuid_leaves(std::string(24, 'c'));
  question.set_msrs(std::string(16, 'm'));
  all[2].mutable_join()->set_job(std::string(16, 'j'));
  all[2].mutable_join()->set_secret(std::string(32, 's'));
  all[2].mutable_join()->set_stream(1);
  all[3].mutable_chunk()->set_number(1);
  all[3].mutable_chunk()->set_data("data");
  all[4].mutable_end()->set_chunks(2);
  all[5].set_handover(2);
  return all;
}

void write_frames(const std::filesystem::path& folder) {
  MemorySource nothing({});
  MemorySink encoded, plain;
  Link link(nothing, encoded);
  encoded.write(std::array{std::byte{0}});
  plain.write(std::array{std::byte{1}});
  for (const v1::MigrateFrame& frame : all_frames()) {
    link.send(frame);
    write_plain(frame, plain);
  }
  write(folder / "encoded", encoded.bytes());
  write(folder / "plain", plain.bytes());
}

void write_all(const std::filesystem::path& folder) {
  const Bytes image = test::build(small_guest());
  write(folder / "records" / "small", test::small_image());
  write(folder / "image" / "small", fuzz::bodies_of_image(image));
  test::TestGuest live = small_guest();
  live.head.set_live(true);
  live.earlier[test::TestGuest::kUserL1] = live.page(test::TestGuest::kUserL1);
  write(folder / "image" / "live", fuzz::bodies_of_image(test::build(live)));
  write_chain(folder / "chain" / "small");
  Bytes edits;
  for (unsigned what = 0; what < 6; ++what)
    for (unsigned byte = 0; byte < 12; ++byte)
      edits.push_back(static_cast<std::byte>(byte == 0 ? what : what * 12 + byte));
  write(folder / "tables" / "each-edit", edits);
  // Words of the kernel's first pages, and digits of VMCOREINFO.
  Bytes words;
  for (unsigned i = 0; i < 12 * 8; ++i) words.push_back(static_cast<std::byte>(i * 37));
  write(folder / "kernel" / "few-words", words);
  // A stream has no compression: only the pages that say something.
  test::TestGuest tiny = small_guest();
  std::erase_if(tiny.pages, [](const auto& page) { return page.first >= 18; });
  tiny.head.set_nr_pfns(18);
  tiny.leaves.resize(1);
  const Bytes tiny_image = test::build(tiny);
  const test::MemoryFile file(tiny_image);
  InlineExecutor executor;
  MemorySink stream;
  convert::export_stream(ImageFile::open(file.path()), stream, executor);
  write(folder / "libxc" / "small", stream.bytes());
  Bytes wrapped = encode_xl_header({.mandatory_flags = 3, .config = "{}"});
  write(folder / "xl" / "header", wrapped);
  wrapped.insert(wrapped.end(), stream.bytes().begin(), stream.bytes().end());
  const Bytes end = encode_libxl_end();
  wrapped.insert(wrapped.end(), end.begin(), end.end());
  write(folder / "xl" / "small", wrapped);
  write(folder / "helper" / "answers",
        std::as_bytes(std::span("\1\0\0\0\0\0\0\0\1\0\0\0some text")));
  write_frames(folder / "frames");
}

}  // namespace
}  // namespace ferry

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  ferry::write_all(argv[1]);
  return 0;
}
