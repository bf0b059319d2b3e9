// tick-times CONSOLE…: prints "TICK MILLISECONDS" for each tick that a guest's workload prints from
// now on, by this host's clock; looks a hundred times a second. Consoles that do not exist yet are
// waited for.
//
// What the guest's own clocks say of a pause is what they were told; this is what somebody who
// waits for it sees.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct console {
  const char* path;
  FILE* file;
  char line[256];
  size_t length;
};

static long long now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_BOOTTIME, &t);
  return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static void take(struct console* c, int byte) {
  if (byte != '\n') {
    if (c->length < sizeof c->line - 1) c->line[c->length++] = (char)byte;
    return;
  }
  c->line[c->length] = 0;
  c->length = 0;
  unsigned long tick;
  char word[3];
  if (sscanf(c->line, "tick %lu %2s", &tick, word) == 2 && strcmp(word, "ok") == 0)
    printf("%lu %lld\n", tick, now_ms());
}

static void look(struct console* c, int first) {
  if (!c->file) {
    c->file = fopen(c->path, "r");
    if (!c->file) return;
    if (first) fseek(c->file, 0, SEEK_END);
  }
  clearerr(c->file);
  for (int byte; (byte = getc(c->file)) != EOF;) take(c, byte);
}

int main(int argc, char** argv) {
  struct console* consoles = calloc((size_t)argc, sizeof *consoles);
  if (argc < 2 || !consoles) {
    fprintf(stderr, "usage: tick-times CONSOLE...\n");
    return 2;
  }
  for (int i = 1; i < argc; ++i) consoles[i].path = argv[i];
  setvbuf(stdout, NULL, _IOLBF, 0);
  for (int first = 1;; first = 0) {
    for (int i = 1; i < argc; ++i) look(&consoles[i], first);
    usleep(10000);
  }
}
