// own-group COMMAND…: runs COMMAND as a terminal's foreground job runs: own process group, default
// signals.
//
// A shell script starts its background jobs with SIGINT ignored and in its own group, so it could
// neither send a program the Ctrl-C that an operator types (to the whole group) nor would the
// program see it.
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

int main(int argc, char** argv) {
  if (argc < 2) {
    fprintf(stderr, "usage: own-group COMMAND...\n");
    return 2;
  }
  setpgid(0, 0);
  signal(SIGINT, SIG_DFL);
  signal(SIGQUIT, SIG_DFL);
  execvp(argv[1], argv + 1);
  perror(argv[1]);
  return 127;
}
