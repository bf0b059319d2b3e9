// All the ways to name what a guest is saved to, as docs/targets.md lists them.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <deque>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "tests/files/folder.h"

namespace ferry {
namespace {

struct Way {
  const char* name;
  const char* before;  // a command that makes what is there
  const char* target;  // as it stands in the command line, with options
  int status;
  const char* said;         // of that, some words
  const char* after = ":";  // a command that succeeds if all is as it should be
};

// Where a command uses it: NAME of 255 bytes, and of 250.
constexpr char kNames[] =
    "long=$(printf %0255d 1) fits=$(printf %0250d 1);"
    "image() { $ferry audit \"$1\" >/dev/null; };"
    "mode() { [ \"$(stat -c %a \"$1\")\" = $2 ]; };";

constexpr Way kWays[] = {
    {"a_new_file", ":", "web1.ferry", 0, "saved web1", "image web1.ferry && mode web1.ferry 600"},
    {"a_new_file_whatever_the_umask", "umask 0", "web1.ferry", 0, "saved web1",
     "mode web1.ferry 600"},
    {"a_file_that_is_there_keeps_its_mode", "echo old >old; chmod 640 old", "old", 0,
     "others than its owner may read old", "image old && mode old 640"},
    {"a_file_that_is_there_keeps_its_owner",
     "mkdir -m 755 d; echo old >d/old; [ $(id -u) != 0 ] || chown 12345:54321 d/old;"
     "stat -c %u:%g d/old >was",
     "d/old", 0, "saved web1", "image d/old && [ $(stat -c %u:%g d/old) = $(cat was) ]"},
    {"a_link_to_a_file", "mkdir a; echo old >a/old; ln -s a/old link", "link", 0, "saved web1",
     "[ -L link ] && image a/old && [ $(ls a | wc -l) = 1 ]"},
    {"a_link_to_a_link_into_nowhere", "mkdir a; ln -s new a/second; ln -s a/second link", "link", 0,
     "saved web1", "[ -L link -a -L a/second ] && image a/new && mode a/new 600"},
    {"a_link_into_a_folder_that_is_not_there", "ln -s no/such/new link", "link", 1,
     "cannot write in"},
    {"links_in_a_circle", "ln -s b a; ln -s a b", "a", 1, "Too many levels of symbolic links"},
    {"a_name_of_255_bytes", ":", "$long", 0, "saved web1", "image $long"},
    {"a_name_of_256_bytes", ":", "x$long", 1, "cannot save to x0.*File name too long"},
    {"a_name_of_250_bytes_without_unnamed_files", "mkdir d.nfs", "d.nfs/$fits", 1,
     "cannot sync d.nfs/0.*[Qq]uota", "[ -z \"$(ls d.nfs)\" ]"},
    {"a_file_where_room_is_told_when_it_is_synced", "mkdir d.nfs; echo old >d.nfs/old", "d.nfs/old",
     1, "cannot sync d.nfs/old.*[Qq]uota",
     "[ \"$(cat d.nfs/old)\" = old -a $(ls d.nfs|wc -l) = 1 ]"},
    {"no_name_at_all", ":", "''", 2, "name a file"},
    {"a_folder", "mkdir d", "d", 1, "d: it is a folder", "[ -z \"$(ls d)\" ]"},
    {"a_name_in_no_folder", ":", "no/such/file", 1, "cannot write in no/such"},
    {"a_name_below_a_file", "echo old >old", "old/file", 1, "Not a directory"},
    {"a_new_file_on_a_read_only_file_system", "mkdir d.ro", "d.ro/new", 1, "Read-only file system"},
    {"a_file_that_is_there_on_one", "mkdir d.ro; echo old >d.ro/old", "d.ro/old", 1,
     "Read-only file system", "[ \"$(cat d.ro/old)\" = old ]"},
    {"a_file_that_nobody_may_write_to", "echo old >old; chmod 444 old; as_nobody=yes", "old", 1,
     "cannot save to old: Permission denied", "[ \"$(cat old)\" = old ]"},
    // Root may write to these; that no new file can take their place was found out once the guest
    // was suspended.
    {"regression_a_file_that_is_append_only", "echo old >old.append", "old.append", 1,
     "cannot save to old.append: it is append-only", "[ \"$(cat old.append)\" = old ]"},
    {"regression_a_new_file_in_a_folder_that_is", "mkdir d.append", "d.append/new", 1,
     "cannot save to d.append/new: the folder d.append is append-only",
     "[ -z \"$(ls d.append)\" ]"},
    {"regression_a_file_that_is_there_in_one", "mkdir d.append; echo old >d.append/old",
     "d.append/old", 1, "cannot save to d.append/old: the folder d.append is append-only",
     "[ \"$(cat d.append/old)\" = old -a $(ls -A d.append | wc -l) = 1 ]"},
    {"a_link_to_a_file_that_is_immutable", "echo old >old.immutable; ln -s old.immutable link",
     "link", 1, "cannot save to link: it is immutable", "[ \"$(cat link)\" = old ]"},
    {"a_folder_that_is_immutable", "mkdir d.immutable", "d.immutable/new", 1,
     "the folder d.immutable is immutable", "[ -z \"$(ls d.immutable)\" ]"},
    {"a_folder_that_is_not_writable", "mkdir d; chmod 555 d; as_nobody=yes", "d/new", 1,
     "cannot write in d: Permission denied"},
    {"a_socket", "python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"socket\")'",
     "socket", 1, "socket: it is a socket"},
    {"the_full_device", ":", "/dev/full", 1, "it is a character device, which keeps nothing"},
    {"the_null_device", ":", "/dev/null", 1, "it is a character device, which keeps nothing"},
    {"a_block_device_that_is_larger", "head -c 64M /dev/zero >disk.blk", "disk.blk", 0,
     "saved web1.*[1-9][0-9]* bytes of image",
     "image disk.blk && $ferry inspect disk.blk >/dev/null && $ferry cat disk.blk 1 >/dev/null &&"
     "$ferry convert disk.blk libxc --to libxc >/dev/null && [ $(stat -c %s disk.blk) = 67108864 "
     "]"},
    {"a_block_device_with_a_larger_image",
     "$sim create big --memory 32; $sim run big >/dev/null; "
     "$sim save --keep big big.ferry; head -c 64M /dev/zero >disk.blk;"
     "dd if=big.ferry of=disk.blk conv=notrunc status=none; $ferry audit disk.blk",
     "disk.blk", 0, "saved web1", "image disk.blk"},
    {"a_link_to_a_block_device", "head -c 64M /dev/zero >disk.blk; ln -s disk.blk link", "link", 0,
     "saved web1", "image disk.blk && [ -L link ]"},
    {"a_block_device_that_is_too_small",
     "echo old | dd of=disk.blk bs=100k conv=sync status=none; cp disk.blk was", "disk.blk", 1,
     "the image takes at least 2 MiB and there is room for 0 MiB", "cmp disk.blk was"},
    {"a_fifo_without_a_word_of_the_guest", "mkfifo fifo", "fifo", 2,
     "written to a FIFO may never reach a disk.*--keep"},
    {"a_fifo", "mkfifo fifo; timeout 20 cat fifo >read 2>&1 &", "--destroy fifo", 0, "saved web1",
     "wait; image read"},
    {"a_fifo_whose_reader_leaves", "mkfifo fifo; timeout 20 head -c 1000 fifo >read 2>&1 &",
     "--destroy fifo", 1, "Broken pipe"},
    {"standard_output_without_a_word_of_the_guest", ":", "- | cat", 2,
     "written to standard output may never"},
    {"standard_output", ":", "--destroy - | cat >read", 0, "saved web1", "image read"},
    {"standard_output_that_is_closed_early", ":", "--destroy - | head -c 1000 >read", 1,
     "Broken pipe"},
    {"standard_output_that_is_closed", ":", "--destroy - >&-", 1,
     "cannot save to standard output: it is closed"},
    {"standard_output_that_keeps_nothing", ":", "--destroy - >/dev/null", 1,
     "cannot save to standard output: .*a character device, which keeps nothing"},
    {"standard_output_by_its_path", ":", "--destroy /dev/stdout | cat >read", 0, "saved web1",
     "image read"},
};

// A network's file system tells of its errors when it likes: what it was given last may be lost
// when the next piece is written, when it is synced, when its name is changed, or when it is
// closed. Once what was written is synced nothing is left that a close could lose.
std::vector<Way> ways_over_a_network() {
  static std::deque<std::string> texts;  // that the ways point to
  const auto keep = [](std::string text) { return texts.emplace_back(std::move(text)).c_str(); };
  constexpr std::pair<const char*, const char*> kErrors[] = {{"EIO", "Input/output error"},
                                                             {"ESTALE", "Stale file handle"},
                                                             {"ENOSPC", "No space left on device"},
                                                             {"EDQUOT", "Disk quota exceeded"}};
  constexpr std::pair<const char*, const char*> kCalls[] = {
      {"open", "cannot make (new|old).* in d"},
      {"write", "cannot write the image"},
      {"fsync", "cannot sync "},
      {"renameat", "cannot give the image "},
      {"close", "saved web1"}};
  std::vector<Way> ways;
  for (const auto& [call, says] : kCalls)
    for (const auto& [error, words] : kErrors)
      for (const std::string file : {"new", "old"}) {
        const std::string folder = std::string("d.") + call + "-" + error + ".nfs";
        const std::string target = folder + "/" + file;
        const bool saved = call == std::string("close");
        const std::string why = saved ? says : std::string(says) + ".*: " + words;
        const std::string unharmed = file == "old" ? "[ \"$(cat " + target + ")\" = old ] && " : "";
        const std::string one =
            "[ $(ls -A " + folder + " | wc -l) = " + (file == "old" || saved ? "1" : "0") + " ]";
        ways.push_back({keep(file + "_file_with_" + error + "_at_" + call),
                        keep("mkdir " + folder + (file == "old" ? "; echo old >" + target : "")),
                        keep(target), saved ? 0 : 1, keep(why),
                        keep(saved ? "image " + target + " && " + one : unharmed + one)});
      }
  return ways;
}

class Targets : public ::testing::Test {
 protected:
  // What a shell printed, with $sim and $ferry.
  std::string shell(const std::string& commands, int expected) {
    const std::string script = folder_.path("script");
    std::ofstream(script) << "cd " << folder_.path("at") << "\nsim='" << kSim << "'\nferry='"
                          << kFerry << "'\n"
                          << kNames << "\n"
                          << commands;
    FILE* pipe = popen(("bash " + script + " 2>&1").c_str(), "r");
    std::string output;
    std::array<char, 4096> buffer;
    while (const size_t n = fread(buffer.data(), 1, buffer.size(), pipe))
      output.append(buffer.data(), n);
    const int ended = pclose(pipe);
    EXPECT_TRUE(WIFEXITED(ended) && WEXITSTATUS(ended) == expected) << commands << "\n" << output;
    return output;
  }
  void SetUp() override {
    std::filesystem::create_directory(folder_.path("at"));
    shell("$sim create web1 --memory 8 && $sim run web1 --steps 5", 0);
  }

  static constexpr char kSim[] = "env LD_PRELOAD=" POSING " " FERRY_SIM " --host web1.host";
  // Image commands alone need no host.
  static constexpr char kFerry[] = "env LD_PRELOAD=" POSING " " FERRY_PROGRAM;
  TestFolder folder_;
};

class EachTarget : public Targets, public ::testing::WithParamInterface<Way> {};

// Root may write anywhere, so that it is not root who saves where that matters.
constexpr char kSave[] =
    "\nchmod a+rwx .. . ; as=; "
    "if [ \"$as_nobody\" -a $(id -u) = 0 ]; then chown -R 65534 .; as='setpriv --reuid=65534 "
    "--clear-groups'; fi; set -o pipefail; $as $sim save ";

TEST_P(EachTarget, is_as_the_documents_say) {
  const Way& way = GetParam();
  std::string target = way.target;
  // Options first: web1 comes between them and the target.
  const size_t file = target.starts_with("--") ? target.find(' ') + 1 : 0;
  target.insert(file, "web1 ");
  const std::string said = shell(way.before + std::string(kSave) + target, way.status);
  std::ofstream(folder_.path("at/said")) << said;
  std::ofstream(folder_.path("at/expected")) << way.said;
  shell("grep -qE -f expected said || { cat said; exit 1; }", 0);
  shell(way.after, 0);
  // Either the image is somewhere and the guest is gone, or it runs on as if nobody had asked.
  if (way.status == 0)
    EXPECT_EQ(shell("$sim list | grep web1", 1), "");
  else
    EXPECT_NE(shell("$sim run web1 --steps 5", 0).find("step 5 to 10"), std::string::npos);
}

// Killed when the image has its name and the guest is not destroyed yet: once the guest goes on, be
// it here, in another image or on another host, a restore of that image would be a second one.
TEST_F(Targets, regression_the_image_of_a_killed_save_goes_when_its_guest_goes_on) {
  const std::string there =
      "$sim2 create none --memory 1; $sim2 destroy none; sim2='env -u "
      "FERRY_SIM_HOST -u FERRY_RUN_DIR -u FERRY_STATE_DIR '$sim2;";
  // Who asks for a save or a migration may have restored it elsewhere: it is not done unasked.
  const std::string migrate = "$sim migrate --quiet web1 --via \"$sim2 receive --stdio\"";
  const std::string resumed = "; [ $? = 4 ] && [ -e d.kill/image ] && $sim resume web1 && ";
  const std::pair<std::string, std::string> kGoesOn[] = {
      {"$sim resume web1", "$sim run web1 --steps 5"},
      {"$sim save web1 other" + resumed + "$sim save web1 other", "image other"},
      {there + migrate + resumed + migrate, "$sim2 run web1 --steps 5"}};
  for (const auto& [command, after] : kGoesOn) {
    SCOPED_TRACE(command);
    const std::string sim2 = "sim2=\"${sim/web1.host/b.host}\";";
    shell("rm -rf web1.host* d.kill; mkdir d.kill; $sim create web1 --memory 8", 0);
    shell("KILL_AT_FOLDER=1 $sim save web1 d.kill/image", 128 + SIGKILL);
    shell("image d.kill/image && $sim list | grep -q suspended", 0);
    EXPECT_NE(shell(sim2 + command, 0).find("d.kill/image is removed"), std::string::npos);
    shell(sim2 + "[ ! -e d.kill/image ] && " + after, 0);
  }
}

TEST_F(Targets, regression_an_image_that_was_changed_since_stays_and_is_named) {
  shell("mkdir d.kill; KILL_AT_FOLDER=1 $sim save web1 d.kill/image", 128 + SIGKILL);
  shell("echo more >>d.kill/image", 0);
  EXPECT_NE(shell("$sim resume web1", 0).find("must not be restored"), std::string::npos);
  shell("[ -e d.kill/image ] && $sim run web1 --steps 5", 0);
}

TEST_F(Targets, regression_nor_goes_what_has_its_name_by_then) {
  shell("mkdir d.kill; KILL_AT_FOLDER=1 $sim save web1 d.kill/image", 128 + SIGKILL);
  shell("mv d.kill/image kept; echo mine >d.kill/image", 0);
  shell("$sim resume web1", 0);
  shell("[ $(cat d.kill/image) = mine ]", 0);
}

// Whatever /proc/sys/fs/protected_* say.
TEST_F(Targets, that_another_user_has_laid_out_for_us_are_refused) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can lay out what is another user's";
  shell(
      "mkdir -m 1777 tmp; echo old >old; ln -s ../old tmp/link; ln -s ../new tmp/nowhere;"
      "mkfifo tmp/fifo; echo old >tmp/file; chown -h 12345 tmp/*",
      0);
  for (const char* target : {"tmp/link", "tmp/nowhere", "tmp/file", "--destroy tmp/fifo"}) {
    std::string words = target;
    words.insert(words.find("tmp"), "web1 ");
    const std::string said = shell("$sim save " + words, 1);
    EXPECT_NE(said.find("user 12345 has put it into a folder"), std::string::npos) << said;
    shell("chmod 777 tmp", 0);  // and then without its sticky bit
    EXPECT_EQ(shell("$sim save " + words, 1), said);
    shell("chmod 1777 tmp", 0);
  }
  shell("[ $(cat old) = old -a $(cat tmp/file) = old -a ! -e new ]", 0);
  shell("ln -s ../ours tmp/ours; $sim save web1 tmp/ours && image ours", 0);
}

INSTANTIATE_TEST_SUITE_P(Network, EachTarget, ::testing::ValuesIn(ways_over_a_network()),
                         [](const auto& way) { return way.param.name; });
INSTANTIATE_TEST_SUITE_P(Way, EachTarget, ::testing::ValuesIn(kWays),
                         [](const auto& way) { return way.param.name; });

}  // namespace
}  // namespace ferry
