// The ELF core of a saved guest: every page where its pfn says, registers, and what Linux says.
#include <elf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/procfs.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <map>

#include "error/error.h"
#include "evidence/core.h"
#include "evidence/kernel.h"
#include "evidence/vcpus.h"
#include "pipeline/inline_executor.h"
#include "pipeline/seeded_executor.h"
#include "tests/audit/audit_image.h"
#include "tests/evidence/fake_linux.h"
#include "tests/evidence/random_guest.h"

namespace ferry::test {
namespace {

using evidence::Core;
using evidence::CoreOptions;
using testing::HasSubstr;
using G = TestGuest;

struct Written {
  Core core;
  Bytes bytes;
  uint64_t disk_bytes = 0;
};

Written to_file(const ImageFile& image, const CoreOptions& options, Executor& executor) {
  const MemoryFile file{std::span<const std::byte>()};
  const int fd = file.fd();
  evidence::SparseFile sparse(fd, "core");
  Written written{.core = write_core(image, options, sparse, executor), .bytes = {}};
  struct stat status = {};
  fstat(fd, &status);
  written.disk_bytes = static_cast<uint64_t>(status.st_blocks) * 512;
  written.bytes.resize(static_cast<size_t>(status.st_size));
  EXPECT_EQ(pread(fd, written.bytes.data(), written.bytes.size(), 0), status.st_size);
  return written;
}

Bytes to_pipe(const ImageFile& image, const CoreOptions& options, Executor& executor) {
  MemorySink sink;
  evidence::StreamedFile streamed(sink);
  write_core(image, options, streamed, executor);
  return sink.bytes();
}

// A core, read as ELF says and in no other way.
class Elf {
 public:
  explicit Elf(Bytes bytes) : bytes_(std::move(bytes)) {
    std::memcpy(&header_, bytes_.data(), sizeof header_);
    for (unsigned i = 0; i < header_.e_phnum; ++i) {
      Elf64_Phdr segment;
      std::memcpy(&segment, bytes_.data() + header_.e_phoff + i * sizeof segment, sizeof segment);
      segments_.push_back(segment);
    }
  }
  const Elf64_Ehdr& header() const { return header_; }
  size_t loads() const {
    return static_cast<size_t>(std::ranges::count(segments_, PT_LOAD, &Elf64_Phdr::p_type));
  }
  // Nothing if no segment has it.
  std::optional<Bytes> physical(uint64_t address, size_t bytes) const {
    return read(address, bytes, &Elf64_Phdr::p_paddr);
  }
  std::optional<Bytes> virtually(uint64_t address, size_t bytes) const {
    return read(address, bytes, &Elf64_Phdr::p_vaddr);
  }
  // By name; several may have one.
  std::multimap<std::string, Bytes> notes() const {
    std::multimap<std::string, Bytes> all;
    for (const Elf64_Phdr& segment : segments_) {
      if (segment.p_type != PT_NOTE) continue;
      for (uint64_t at = segment.p_offset; at < segment.p_offset + segment.p_filesz;) {
        Elf64_Nhdr note;
        std::memcpy(&note, bytes_.data() + at, sizeof note);
        at += sizeof note;
        const std::string name(reinterpret_cast<const char*>(bytes_.data() + at));
        at += (note.n_namesz + 3u) / 4 * 4;
        all.emplace(name, Bytes(bytes_.begin() + static_cast<ptrdiff_t>(at),
                                bytes_.begin() + static_cast<ptrdiff_t>(at + note.n_descsz)));
        at += (note.n_descsz + 3u) / 4 * 4;
      }
    }
    return all;
  }

 private:
  std::optional<Bytes> read(uint64_t address, size_t bytes, Elf64_Addr Elf64_Phdr::*base) const {
    for (const Elf64_Phdr& segment : segments_) {
      if (segment.p_type != PT_LOAD || address < segment.*base) continue;
      const uint64_t inside = address - segment.*base;
      if (inside >= segment.p_filesz || segment.p_filesz - inside < bytes) continue;
      const auto at = static_cast<ptrdiff_t>(segment.p_offset + inside);
      return Bytes(bytes_.begin() + at, bytes_.begin() + at + static_cast<ptrdiff_t>(bytes));
    }
    return std::nullopt;
  }

  Bytes bytes_;
  Elf64_Ehdr header_{};
  std::vector<Elf64_Phdr> segments_;
};

void expect_every_page(const ImageFile& image, const Elf& elf) {
  const audit::PageMap map = audit::PageMap::load(image);
  for (uint64_t pfn = 0; pfn < map.size(); ++pfn) {
    const std::optional<Bytes> page = elf.physical(pfn << 12, 4096);
    ASSERT_EQ(page.has_value(), map.populated(pfn)) << pfn;
    if (!page) continue;
    // The index leads to the page by another way.
    std::array<std::byte, 4096> want{};
    image.read_page(pfn_t(pfn), want);
    ASSERT_TRUE(std::ranges::equal(*page, want)) << pfn;
    ASSERT_EQ(elf.virtually(FakeLinux::kDirectMap + (pfn << 12), 4096), page);
  }
}

TEST(Core, has_each_page_with_a_frame_at_its_pfn) {
  for (uint64_t seed = 1; seed <= 15; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    Random random(seed);
    const MemoryFile file(
        build(random_guest(random, [&](PageBytes& words) { words.fill(random()); })));
    const ImageFile image = ImageFile::open(file.path());
    const auto executor = make_seeded_executor(seed, 1 + seed % 4);
    const Written written = to_file(image, {}, *executor);
    ASSERT_NO_FATAL_FAILURE(expect_every_page(image, Elf(written.bytes)));
    EXPECT_EQ(written.core.bytes, written.bytes.size());
    EXPECT_EQ(to_pipe(image, {}, *executor), written.bytes) << "a pipe gets the same";
  }
}

TEST(Core, takes_no_room_for_zero_pages) {
  TestGuest guest;
  guest.head.set_nr_pfns(40'000);
  for (uint64_t pfn = 1000; pfn < 40'000; ++pfn) guest.pages[pfn].kind = v1::ZERO;
  const MemoryFile file(build(guest));
  InlineExecutor executor;
  const Written written = to_file(ImageFile::open(file.path()), {}, executor);
  EXPECT_GT(written.bytes.size(), 39'000u * 4096);
  EXPECT_LT(written.disk_bytes, 1u << 20);
}

// A guest that gave back every other page, or an image that says so.
TEST(Core, has_a_limited_number_of_segments) {
  TestGuest guest;
  guest.head.set_nr_pfns(20'000);
  for (uint64_t pfn = 1000; pfn < 20'000; pfn += 2) guest.pages[pfn].words.fill(pfn);
  const MemoryFile file(build(guest));
  const ImageFile image = ImageFile::open(file.path());
  InlineExecutor executor;
  const Elf elf(to_file(image, {}, executor).bytes);
  EXPECT_LE(elf.loads(), 1025u);
  for (uint64_t pfn = 1000; pfn < 20'000; pfn += 2) {
    const auto page = elf.physical(pfn << 12, 4096);
    ASSERT_TRUE(page) << pfn;
    ASSERT_EQ((*page)[0], static_cast<std::byte>(pfn)) << pfn;
  }
}

TEST(Core, has_the_registers_of_each_vcpu) {
  TestGuest guest;
  // struct vcpu_guest_context: r15 is first of the registers.
  for (unsigned id = 0; id < 2; ++id)
    for (unsigned i = 0; i < 15; ++i) guest.vcpu[id].set(520 + i * 8, (id + 1) * 1000 + i);
  guest.vcpu[1].set(648, 0xffffffff81234567);  // rip
  guest.vcpu[1].set(672, 0xffffc90000001000);  // rsp
  guest.vcpu[1].set(5152, 0x77777);            // gs_base_kernel
  const MemoryFile file(build(guest));
  InlineExecutor executor;
  const auto notes = Elf(to_file(ImageFile::open(file.path()), {}, executor).bytes).notes();
  ASSERT_EQ(notes.count("CORE"), 2u);
  unsigned id = 0;
  for (auto [at, end] = notes.equal_range("CORE"); at != end; ++at, ++id) {
    elf_prstatus status;
    ASSERT_EQ(at->second.size(), sizeof status);
    std::memcpy(&status, at->second.data(), sizeof status);
    user_regs_struct regs;
    std::memcpy(&regs, &status.pr_reg, sizeof regs);
    EXPECT_EQ(status.pr_pid, static_cast<int>(id) + 1);
    EXPECT_EQ(regs.r15, (id + 1) * 1000);
    EXPECT_EQ(regs.rbp, (id + 1) * 1000 + 4);
    EXPECT_EQ(regs.rax, (id + 1) * 1000 + 10);
    EXPECT_EQ(regs.rdi, (id + 1) * 1000 + 14);
    EXPECT_EQ(regs.rip, id == 1 ? 0xffffffff81234567 : 0);
    EXPECT_EQ(regs.rsp, id == 1 ? 0xffffc90000001000 : 0);
    EXPECT_EQ(regs.gs_base, id == 1 ? 0x77777u : 0);
  }
}

TEST(Core, says_what_the_kernel_says_of_itself) {
  TestGuest guest;
  FakeLinux kernel(guest);
  kernel.finish();
  const MemoryFile file(build(guest));
  const ImageFile image = ImageFile::open(file.path());
  InlineExecutor executor;
  for (const bool as_is : {false, true}) {
    const Written written = to_file(image, {.as_is = as_is}, executor);
    EXPECT_EQ(written.core.release, "6.1.0-test");
    EXPECT_EQ(written.core.vmcoreinfo_pfn, FakeLinux::kNotePfn);
    EXPECT_TRUE(written.core.direct_map);
    EXPECT_EQ(to_pipe(image, {.as_is = as_is}, executor), written.bytes);
    const Elf elf(written.bytes);
    const auto notes = elf.notes();
    ASSERT_EQ(notes.count("VMCOREINFO"), 1u);
    const Bytes& text = notes.find("VMCOREINFO")->second;
    EXPECT_EQ(std::string(reinterpret_cast<const char*>(text.data()), text.size()), kernel.text());
    // The kernel's image, by its own addresses; xen_start_info is not there for crash.
    const auto image_bytes = elf.virtually(FakeLinux::kImage, FakeLinux::kImagePages * 4096);
    ASSERT_TRUE(image_bytes);
    EXPECT_EQ(image_bytes, elf.physical(FakeLinux::kImagePfn << 12, FakeLinux::kImagePages * 4096));
    uint64_t variable;
    std::memcpy(&variable, image_bytes->data() + (kernel.start_info_variable() - FakeLinux::kImage),
                8);
    EXPECT_EQ(variable, as_is ? FakeLinux::kDirectMap + (G::kStartInfo << 12) : 0);
    EXPECT_EQ(written.core.hidden_address.has_value(), !as_is);
  }
}

// A process of the guest fills pages with what looks like the kernel's own words, and more of them.
TEST(Core, does_not_take_a_forged_vmcoreinfo) {
  TestGuest guest;
  FakeLinux kernel(guest);
  kernel.finish();
  std::string forged = kernel.text();
  forged.replace(forged.find("6.1.0-test"), 10, "6.6.6-evil");
  for (unsigned i = 0; i < 50; ++i) forged += "NUMBER(more)=1\n";
  for (const uint64_t pfn : {20u, 30u, 599u}) kernel.put_note(pfn, forged);
  const MemoryFile file(build(guest));
  InlineExecutor executor;
  EXPECT_EQ(to_file(ImageFile::open(file.path()), {}, executor).core.release, "6.1.0-test");
}

// Of the pages behind it nothing is needed to know what kernel it is: not even that they are sound.
TEST(Core, of_what_kernel_it_is_looks_no_further_than_needed) {
  TestGuest guest;
  FakeLinux kernel(guest);
  kernel.finish();
  for (uint64_t pfn = G::kAbsent; pfn <= G::kLast; ++pfn)
    guest.pages.try_emplace(pfn, TestPage{.kind = v1::DATA, .words = {pfn}});
  const Bytes sound = build(guest);
  const auto release = [&](uint64_t damaged_pfn) -> std::string {
    Bytes bytes = sound;
    {
      const MemoryFile file(bytes);
      const ImageFile image = ImageFile::open(file.path());
      bytes[audit::PageMap::load(image).record_offset(damaged_pfn) + 40] ^= std::byte{1};
    }
    const MemoryFile file(bytes);
    const ImageFile image = ImageFile::open(file.path());
    const evidence::GuestPages pages(image);
    evidence::KernelMemory memory(pages, evidence::kernel_root(evidence::read_vcpus(image)));
    InlineExecutor executor;
    const auto info = evidence::find_kernels_own(pages, memory, executor);
    return std::string(info ? info->value("OSRELEASE").value_or("") : "");
  };
  EXPECT_EQ(release(G::kLast), "6.1.0-test");
  EXPECT_THROW(release(G::kAbsent), Error);  // which lies before it
}

TEST(Core, of_what_is_no_linux_has_all_but_what_linux_says) {
  TestGuest guest;
  guest.page(G::kKernelL1) = {.kind = v1::L1_PINNED};  // no direct map
  const MemoryFile file(build(guest));
  InlineExecutor executor;
  const Written written = to_file(ImageFile::open(file.path()), {}, executor);
  EXPECT_FALSE(written.core.direct_map);
  EXPECT_FALSE(written.core.vmcoreinfo_pfn);
  const Elf elf(written.bytes);
  EXPECT_EQ(elf.notes().count("VMCOREINFO"), 0u);
  EXPECT_TRUE(elf.physical(20 << 12, 4096));
}

// Whatever an image says of a guest: a core, or a sentence.
TEST(Core, ends_for_corrupted_images) {
  unsigned refused = 0;
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    Random random(seed);
    TestGuest guest;
    FakeLinux kernel(guest);
    kernel.finish();
    for (unsigned i = 0; i < 1 + seed % 5; ++i) corrupt(guest, random);
    InlineExecutor executor;
    try {
      const MemoryFile file(build(guest));
      to_file(ImageFile::open(file.path()), {}, executor);
    } catch (const Error& error) {
      ++refused;
      EXPECT_NE(error.code(), Errc::internal) << error.what();
    }
  }
  EXPECT_LT(refused, 300u);
}

}  // namespace
}  // namespace ferry::test
