// Speaks as ferry-save-helper does, and ends as FAKE says.
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <string>

#include "host/channel.h"

int main(int, char** argv) {
  using namespace ferry::helper;
  const std::string fake = std::getenv("FAKE");
  Channel channel(STDOUT_FILENO, STDIN_FILENO);
  try {
    if (fake == "wordless") return 3;
    if (fake == "garbage") return write(STDOUT_FILENO, "\2\0\377\377", 4) == 4 ? 0 : 1;
    if (fake == "torn") return write(STDOUT_FILENO, "\100\0\1", 3) == 3 ? 0 : 1;
    const int suspended = channel.suspend();
    channel.progress("saving memory", 1, 2);
    if (fake == "killed") raise(SIGKILL);
    if (fake == "wait") pause();
    if (fake == "fails" || suspended != 1) {
      channel.log(Level::error, "the disk is full");
      channel.complete(-1, ENOSPC);
      return 0;
    }
    const int fd = std::atoi(argv[2]);
    if (write(fd, "image", 5) != 5) return 1;
    channel.log(Level::info, "saved");
    channel.complete(0, 0);
  } catch (const LibxlGone&) {
    return 1;
  }
  return fake == "bad status" ? 7 : 0;
}
