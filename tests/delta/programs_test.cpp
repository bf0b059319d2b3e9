// ferry squash, ferry verify and --base: what the programs say and leave behind.
#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "delta/image_files.h"
#include "error/error.h"
#include "io/descriptor.h"
#include "tests/audit/image_builder.h"
#include "tests/audit/run_program.h"
#include "tests/delta/make_delta.h"
#include "tests/files/folder.h"

namespace ferry::test {
namespace {

namespace fs = std::filesystem;
using testing::AnyOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class DeltaPrograms : public testing::Test {
 protected:
  static Outcome ferry(std::vector<std::string> words) {
    words.insert(words.begin(), FERRY_PROGRAM);
    return run_program(words);
  }
  Outcome sim(std::vector<std::string> words, const std::string& host = "a.host") {
    words.insert(words.begin(), {FERRY_SIM_PROGRAM, "--host", folder_.path(host)});
    return run_program(words);
  }
  std::string write(const std::string& name, const Bytes& bytes) {
    std::ofstream(folder_.path(name), std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
    return folder_.path(name);
  }
  static Bytes read(const std::string& path) {
    const InputFile file(path);
    Bytes bytes(file.size());
    file.read_at(0, bytes);
    return bytes;
  }
  // Three images, each but the first a delta of the one before.
  void write_chain() {
    Bytes whole = build(TestGuest());
    chain_.push_back(write("0.ferry", whole));
    for (uint64_t day = 1; day < 3; ++day) {
      TestGuest guest;
      guest.page(TestGuest::kData + day).words[3] = day;
      const MemoryFile before(whole);
      const Bytes named = read(chain_.back());
      whole = build(guest);
      chain_.push_back(write(fmt::format("{}.ferry", day),
                             delta_of(ImageFile::open(before.path()), named, whole)));
    }
    whole_ = write("whole.image", whole);
  }
  void expect_pages_of_newest(const std::string& path) const {
    EXPECT_THAT(pages_that_differ(ImageFile::open(path), ImageFile::open(whole_)), IsEmpty());
  }

  TestFolder folder_;
  std::vector<std::string> chain_;
  std::string whole_;
};

TEST_F(DeltaPrograms, save_a_guest_against_its_last_image_and_restore_the_chain) {
  ASSERT_EQ(sim({"create", "web1", "--memory", "8"}).exit_code, 0);
  const std::string a = folder_.path("a.ferry"), b = folder_.path("b.ferry"),
                    c = folder_.path("c.ferry");
  EXPECT_EQ(sim({"run", "web1", "--steps", "300"}).exit_code, 0);
  EXPECT_EQ(sim({"save", "--keep", "web1", a}).exit_code, 0);
  EXPECT_EQ(sim({"run", "web1", "--steps", "20"}).exit_code, 0);
  Outcome saved = sim({"save", "--keep", "--base", a, "web1", b});
  EXPECT_EQ(saved.exit_code, 0) << saved.err;
  EXPECT_LT(fs::file_size(b), fs::file_size(a));
  EXPECT_EQ(sim({"run", "web1", "--steps", "20"}).exit_code, 0);
  // What b builds upon is found beside it.
  saved = sim({"save", "--base", b, "web1", c});
  EXPECT_EQ(saved.exit_code, 0) << saved.err;

  EXPECT_EQ(ferry({"audit", "--base", a, "--base", b, c}).exit_code, 0);
  const Outcome restored = sim({"restore", "--base", folder_.path("."), c}, "b.host");
  EXPECT_EQ(restored.exit_code, 0) << restored.err;
  const Outcome run = sim({"run", "web1", "--steps", "100"}, "b.host");
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("step 340 to 440"));
  EXPECT_THAT(run.out, HasSubstr("memory right"));
}

// As a backup that goes into an object store each night has it.
TEST_F(DeltaPrograms, save_against_an_image_that_has_gone_elsewhere) {
  ASSERT_EQ(sim({"create", "web1", "--memory", "8"}).exit_code, 0);
  const std::string a = folder_.path("a.ferry"), b = folder_.path("b.ferry"),
                    c = folder_.path("c.ferry"), of_a = folder_.path("a.hashes"),
                    of_b = folder_.path("b.hashes");
  ASSERT_EQ(sim({"run", "web1", "--steps", "300"}).exit_code, 0);
  Outcome saved = sim({"save", "--keep", "--page-hashes", of_a, "web1", a});
  ASSERT_EQ(saved.exit_code, 0) << saved.err;
  EXPECT_EQ(fs::status(of_a).permissions(), fs::perms(0600));
  fs::create_directory(folder_.path("store"));
  fs::rename(a, folder_.path("store/a.ferry"));
  ASSERT_EQ(sim({"run", "web1", "--steps", "20"}).exit_code, 0);
  saved = sim({"save", "--base", of_a, "web1", b});
  EXPECT_EQ(saved.exit_code, 2);
  EXPECT_THAT(saved.err, HasSubstr("--keep, --pause or --destroy"));
  saved = sim({"save", "--keep", "--base", of_a, "--page-hashes", of_b, "web1", b});
  ASSERT_EQ(saved.exit_code, 0) << saved.err;
  EXPECT_LT(2 * fs::file_size(b), fs::file_size(folder_.path("store/a.ferry")));
  fs::rename(b, folder_.path("store/b.ferry"));
  ASSERT_EQ(sim({"run", "web1", "--steps", "20"}).exit_code, 0);
  saved = sim({"save", "--destroy", "--base", of_b, "web1", c});
  ASSERT_EQ(saved.exit_code, 0) << saved.err;

  EXPECT_EQ(ferry({"audit", c}).exit_code, 3) << "what it builds upon is elsewhere";
  const Outcome restored = sim({"restore", "--base", folder_.path("store"), c}, "b.host");
  EXPECT_EQ(restored.exit_code, 0) << restored.err;
  const Outcome run = sim({"run", "web1", "--steps", "100"}, "b.host");
  EXPECT_THAT(run.out, HasSubstr("step 340 to 440"));
  EXPECT_THAT(run.out, HasSubstr("memory right"));
}

TEST_F(DeltaPrograms, leave_no_page_hashes_of_an_image_that_is_not_there) {
  ASSERT_EQ(sim({"create", "web1", "--memory", "8"}).exit_code, 0);
  const std::string a = folder_.path("a.ferry"), hashes = folder_.path("a.hashes");
  Outcome refused = sim({"save", "--keep", "--page-hashes", a, "web1", a});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.err, HasSubstr("cannot both be"));
  fs::create_symlink(a, folder_.path("link"));  // into nowhere, yet
  refused = sim({"save", "--keep", "--page-hashes", folder_.path("link"), "web1", a});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.err, HasSubstr("cannot both be"));
  refused = sim({"save", "--keep", "--page-hashes", "-", "web1", a});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.err, HasSubstr("a file of their own"));
  EXPECT_EQ(sim({"save", "--keep", "--page-hashes", folder_.path("no/where"), "web1", a}).exit_code,
            1);
  EXPECT_EQ(sim({"save", "--keep", "--page-hashes", hashes, "web1", "/dev/full"}).exit_code, 1);
  EXPECT_FALSE(fs::exists(a));
  EXPECT_FALSE(fs::exists(hashes));

  ASSERT_EQ(sim({"save", "--keep", "--page-hashes", hashes, "web1", a}).exit_code, 0);
  Bytes damaged = read(hashes);
  damaged[damaged.size() / 2] ^= std::byte{1};
  const std::string bad = write("bad.hashes", damaged), b = folder_.path("b.ferry");
  refused = sim({"save", "--keep", "--base", bad, "web1", b});
  EXPECT_EQ(refused.exit_code, 3);
  EXPECT_THAT(refused.err, HasSubstr(bad + ": these page hashes are damaged, or cut off"));
  EXPECT_FALSE(fs::exists(b));
  EXPECT_EQ(sim({"run", "web1", "--steps", "10"}).exit_code, 0) << "the guest does not run";
}

// A delta took the very place of what it builds upon, or its page hashes did, with exit code 0.
TEST_F(DeltaPrograms, regression_do_not_write_over_the_image_that_page_hashes_stand_for) {
  ASSERT_EQ(sim({"create", "web1", "--memory", "8"}).exit_code, 0);
  const std::string a = folder_.path("a.ferry"), of_a = folder_.path("a.hashes");
  const std::string b = folder_.path("b.ferry"), letter = folder_.path("letter");
  ASSERT_EQ(sim({"save", "--keep", "--page-hashes", of_a, "web1", a}).exit_code, 0);
  const Bytes before = read(a);
  Outcome refused = sim({"save", "--keep", "--base", of_a, "web1", a});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.err, HasSubstr(a + " is the image that " + of_a + " stands for"));
  refused = sim({"save", "--keep", "--base", of_a, "--page-hashes", a, "web1", b});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.err, HasSubstr(a + " is the image that " + of_a + " stands for"));
  std::ofstream(letter) << "Dear Sir or Madam";
  for (const std::string& other : {a, letter}) {
    refused = sim({"save", "--keep", "--page-hashes", other, "web1", b});
    EXPECT_EQ(refused.exit_code, 2);
    EXPECT_THAT(refused.err, HasSubstr(other + " is there and holds no page hashes"));
  }
  EXPECT_EQ(read(a), before);
  EXPECT_FALSE(fs::exists(b));
  EXPECT_EQ(sim({"save", "--keep", "--base", of_a, "--page-hashes", of_a, "web1", b}).exit_code, 0);
}

TEST_F(DeltaPrograms, refuse_a_base_that_is_none_and_leave_the_guest_running) {
  ASSERT_EQ(sim({"create", "web1", "--memory", "8"}).exit_code, 0);
  const std::string a = folder_.path("a.ferry"), b = folder_.path("b.ferry");
  EXPECT_EQ(sim({"save", "--keep", "web1", a}).exit_code, 0);
  Bytes damaged = read(a);
  damaged[damaged.size() / 2] ^= std::byte{1};
  const std::string bad = write("bad.ferry", damaged);
  Outcome refused = sim({"save", "--base", bad, "web1", b});
  EXPECT_EQ(refused.exit_code, 3);
  EXPECT_THAT(refused.err, HasSubstr(bad));
  EXPECT_EQ(sim({"save", "--base", folder_.path("nowhere"), "web1", b}).exit_code, 1);
  refused = sim({"save", "--base", a, "web1", a});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.err, HasSubstr("name another file"));
  EXPECT_FALSE(fs::exists(b));
  EXPECT_EQ(sim({"run", "web1", "--steps", "10"}).exit_code, 0) << "the guest does not run";
}

// Its base was made into a delta of that base, and the guest destroyed for it.
TEST_F(DeltaPrograms, regression_save_over_nothing_that_the_base_builds_upon) {
  ASSERT_EQ(sim({"create", "web1", "--memory", "8"}).exit_code, 0);
  const std::string a = folder_.path("a.ferry"), b = folder_.path("b.ferry");
  ASSERT_EQ(sim({"save", "--keep", "web1", a}).exit_code, 0);
  ASSERT_EQ(sim({"save", "--keep", "--base", a, "web1", b}).exit_code, 0);
  fs::create_symlink(a, folder_.path("another-name"));
  const Bytes was = read(a);
  for (const std::string& target : {a, folder_.path("another-name"), b}) {
    const Outcome refused = sim({"save", "--base", b, "web1", target});
    EXPECT_EQ(refused.exit_code, 2) << refused.err;
    EXPECT_THAT(refused.err, HasSubstr("is what the delta builds upon"));
  }
  EXPECT_TRUE(read(a) == was);
  EXPECT_THAT(sim({"list"}).out, HasSubstr("running"));
}

// The guest was destroyed for a delta whose base was another file by then, or gone.
TEST_F(DeltaPrograms, regression_save_against_a_base_that_stays) {
  for (const char* name : {"web1", "web2"})
    ASSERT_EQ(sim({"create", name, "--memory", "8"}).exit_code, 0);
  const std::string a = folder_.path("a.ferry"), fifo = folder_.path("fifo");
  ASSERT_EQ(sim({"save", "--keep", "web1", a}).exit_code, 0);
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  Outcome saved;
  std::thread save([&] { saved = sim({"save", "--destroy", "--base", a, "web1", fifo}); });
  // It waits for its reader until all is taken.
  const Descriptor reader(open(fifo.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  pollfd comes = {reader.get(), POLLIN, 0};
  EXPECT_EQ(poll(&comes, 1, 60'000), 1);
  fcntl(reader.get(), F_SETFL, 0);
  const Outcome other = sim({"save", "--keep", "web2", a});
  EXPECT_EQ(other.exit_code, 1) << other.err;
  EXPECT_THAT(other.err, HasSubstr("or builds upon it"));
  EXPECT_EQ(sim({"save", "--keep", "--base", a, "web2", folder_.path("c")}).exit_code, 0)
      << "as many as want to may read it";
  fs::rename(a, folder_.path("elsewhere"));
  std::string taken(65536, '\0');
  while (::read(reader.get(), taken.data(), taken.size()) > 0) continue;
  save.join();
  EXPECT_EQ(saved.exit_code, 1) << saved.err;
  EXPECT_THAT(saved.err, HasSubstr("a.ferry is not what it was when the save began"));
  EXPECT_THAT(saved.err, HasSubstr("web1 runs on here"));
  EXPECT_EQ(sim({"run", "web1"}).exit_code, 0) << "it is in no image that could be restored";
}

TEST_F(DeltaPrograms, take_a_chain_as_one_image_by_its_files_or_their_folder) {
  write_chain();
  const std::string folder = folder_.path(".");
  const auto in_order = [&](std::vector<std::string> words) {
    words.insert(words.begin() + 1, {"--base", chain_[0], "--base", chain_[1]});
    return words;
  };
  const auto by_folder = [&](std::vector<std::string> words) {
    words.insert(words.begin() + 1, {"--base", folder});
    return words;
  };
  const std::string core = folder_.path("core"), other = folder_.path("other");
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"audit", "@"},
                                             {"inspect", "--pages", "@"},
                                             {"inspect", "--html", other, "@"},
                                             {"cat", "@", "20..40"},
                                             {"walk", "@", "0x1000"},
                                             {"core", "@", core},
                                             {"find", "@", "no such text"},
                                             {"convert", "--to", "libxc", "@", other}}) {
    std::vector<std::string> of_chain = words, of_whole = words;
    std::ranges::replace(of_chain, "@", chain_[2]);
    std::ranges::replace(of_whole, "@", whole_);
    const Outcome expected = ferry(of_whole);
    const bool prints_pages = words[0] == "cat" || words[0] == "walk" || words[0] == "find";
    for (const auto& say : {in_order(of_chain), by_folder(of_chain)}) {
      const Outcome outcome = ferry(say);
      EXPECT_EQ(outcome.exit_code, expected.exit_code) << words[0] << ": " << outcome.err;
      if (prints_pages) {
        EXPECT_EQ(outcome.out, expected.out) << words[0];
      }
    }
    const Outcome alone = ferry(of_chain);
    EXPECT_EQ(alone.exit_code, 3) << words[0];
    EXPECT_THAT(alone.err, HasSubstr("this is a delta")) << words[0];
  }
  EXPECT_EQ(read(core).size(), [&] {
    ferry({"core", whole_, core});
    return read(core).size();
  }());
  const Outcome same = ferry({"diff", "--base", folder, chain_[2], whole_});
  EXPECT_EQ(same.exit_code, 0) << same.err;
  EXPECT_THAT(ferry({"diff", "--base", chain_[0], chain_[1], chain_[2], "--json"}).out,
              HasSubstr("\"changed\": 2"));
}

TEST_F(DeltaPrograms, squash_a_chain_and_leave_it_as_it_is) {
  write_chain();
  std::vector<Bytes> before;
  for (const std::string& link : chain_) before.push_back(read(link));
  const std::string out = folder_.path("out.ferry");
  Outcome squashed = ferry({"squash", chain_[0], chain_[1], chain_[2], out});
  EXPECT_EQ(squashed.exit_code, 0) << squashed.err;
  EXPECT_THAT(squashed.out, HasSubstr("one image of 3"));
  expect_pages_of_newest(out);
  struct stat status = {};
  ASSERT_EQ(stat(out.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  fs::remove(out);
  EXPECT_EQ(ferry({"squash", "--base", folder_.path("."), chain_[2], out}).exit_code, 0);
  expect_pages_of_newest(out);

  EXPECT_EQ(ferry({"squash", chain_[1], chain_[0], chain_[2], folder_.path("no")}).exit_code, 3);
  EXPECT_EQ(ferry({"squash", chain_[0], chain_[2], folder_.path("no")}).exit_code, 3);
  EXPECT_FALSE(fs::exists(folder_.path("no")));
  for (const std::string& link : chain_) {
    squashed = ferry({"squash", "--base", folder_.path("."), chain_[2], link});
    EXPECT_EQ(squashed.exit_code, 2) << squashed.err;
    EXPECT_EQ(ferry({"squash", chain_[0], chain_[1], chain_[2], link}).exit_code, 2);
  }
  for (size_t i = 0; i < chain_.size(); ++i) EXPECT_EQ(read(chain_[i]), before[i]);
}

TEST_F(DeltaPrograms, verify_a_folder) {
  write_chain();
  Outcome verified = ferry({"verify", folder_.path(".")});
  EXPECT_EQ(verified.exit_code, 0) << verified.out;
  EXPECT_THAT(verified.out, HasSubstr("4 can be restored, 0 orphaned, 0 damaged"));
  fs::remove(chain_[1]);
  write("junk", Bytes(20));
  verified = ferry({"verify", folder_.path(".")});
  EXPECT_EQ(verified.exit_code, 3);
  EXPECT_THAT(verified.out, HasSubstr("2 can be restored, 1 orphaned, 0 damaged; 1 other files"));
  EXPECT_THAT(verified.out, HasSubstr("its base is missing: the image with the SHA-256"));
  EXPECT_EQ(ferry({"verify", folder_.path("nowhere")}).exit_code, 1);
}

// What a power failure had left of an image was an other file, with exit code 0.
TEST_F(DeltaPrograms, regression_an_image_without_a_head_is_damaged_if_it_is_called_one) {
  write_chain();
  for (const Bytes& left : {Bytes(), Bytes(5000)}) {
    const std::string path = write("left.ferry", left);
    const Outcome verified = ferry({"verify", folder_.path(".")});
    EXPECT_EQ(verified.exit_code, 3);
    EXPECT_THAT(verified.out, HasSubstr("4 can be restored, 0 orphaned, 1 damaged"));
    EXPECT_THAT(verified.out, HasSubstr("left.ferry"));
  }
}

// A nightly check of the wrong folder looked like one that found all well: it ended with 0.
TEST_F(DeltaPrograms, regression_a_folder_without_an_image_does_not_look_sound) {
  const std::string folder = folder_.path("backups");
  fs::create_directory(folder);
  const auto expect_failed = [&] {
    for (const bool json : {false, true}) {
      std::vector<std::string> words = {"verify", folder};
      if (json) words.push_back("--json");
      const Outcome verified = ferry(words);
      EXPECT_EQ(verified.exit_code, 1) << verified.out;
      EXPECT_THAT(verified.out, HasSubstr(json ? "\"restorable\": 0" : "0 can be restored"));
      EXPECT_THAT(verified.err, HasSubstr("there is no image in " + folder));
    }
  };
  expect_failed();
  write("backups/web1.hashes", Bytes(1000));
  expect_failed();
  for (const char* name : {"backups/web2", "backups/web 1", "backups/.old"})
    fs::create_directory(folder_.path(name));
  expect_failed();
  EXPECT_THAT(ferry({"verify", folder}).err,
              HasSubstr("not looked into, try: ferry verify '" + folder + "/web 1'\n"));
  write("backups/web1.ferry", build(TestGuest()));
  EXPECT_EQ(ferry({"verify", folder}).exit_code, 0);
}

// Runs the command and kills it at its nth system call after it has made a file; 0 never. Returns
// how many there were.
uint64_t run_and_kill_at(std::vector<std::string> words, uint64_t nth) {
  words.insert(words.begin(), FERRY_PROGRAM);
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const pid_t pid = fork();
  if (pid == 0) {
    const int nothing = open("/dev/null", O_RDWR);
    dup2(nothing, STDOUT_FILENO);
    ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    execv(argv[0], argv.data());
    _exit(127);
  }
  uint64_t calls = 0;
  bool made = false, entering = true;
  int status = 0;
  while (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status)) {
    const int stop = WSTOPSIG(status);
    if (stop == SIGTRAP) {
      user_regs_struct registers = {};
      ptrace(PTRACE_GETREGS, pid, nullptr, &registers);
      const bool opens = registers.orig_rax == SYS_openat;
      if (entering && made && ++calls == nth) {
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
        return calls;
      }
      if (entering && opens && (registers.rdx & (O_CREAT | O_TMPFILE) & ~O_DIRECTORY) != 0)
        made = true;
      entering = !entering;
    }
    ptrace(PTRACE_SYSCALL, pid, nullptr, stop == SIGTRAP ? 0 : stop);
  }
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  return calls;
}

TEST_F(DeltaPrograms, that_squash_and_are_killed_at_any_call_lose_nothing) {
  write_chain();
  std::vector<Bytes> before;
  for (const std::string& link : chain_) before.push_back(read(link));
  const std::string out = folder_.path("out.ferry");
  const std::vector<std::string> words = {"squash", chain_[0], chain_[1], chain_[2], out};
  const uint64_t calls = run_and_kill_at(words, 0);
  EXPECT_GT(calls, 10u);
  unsigned whole = 0, nothing = 0;
  for (uint64_t nth = 1; nth <= calls && !HasFailure(); ++nth) {
    fs::remove(out);
    run_and_kill_at(words, nth);
    SCOPED_TRACE(nth);
    for (size_t i = 0; i < chain_.size(); ++i) EXPECT_EQ(read(chain_[i]), before[i]);
    if (fs::exists(out)) {
      ++whole;
      expect_pages_of_newest(out);
    } else {
      ++nothing;
    }
  }
  EXPECT_GT(nothing, 0u);
  EXPECT_GT(whole, 0u) << "never killed once the file had its name";
  fmt::print("{} calls: no file after {} of them, a whole one after {}\n", calls, nothing, whole);
}

}  // namespace
}  // namespace ferry::test
