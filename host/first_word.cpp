// A command through which another host is called, until that has said something.
#include "host/first_word.h"

#include <signal.h>
#include <sys/wait.h>

#include <fmt/format.h>

#include "text/say.h"

namespace ferry::host {
namespace {

constexpr auto kTellAfter = std::chrono::seconds(5);
constexpr auto kLookAgain = std::chrono::milliseconds(100);
constexpr char kCannotAsk[] =
    "it wants to ask something, and has no terminal for that: start ferry in the foreground of "
    "one, or see to it that nothing is asked";

}  // namespace

FirstWord::FirstWord(const Child& child, const LentTerminal& terminal, Cutter& cutter, bool quiet)
    : child_(child), terminal_(terminal), cutter_(cutter), told_(quiet), thread_([this] {
        watch();
      }) {
}

void FirstWord::said() {
  {
    const std::lock_guard lock(mutex_);
    said_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
  terminal_.take_back();
}

void FirstWord::watch() {
  // Who is not in the foreground may be stopped for what it writes.
  sigset_t held;
  sigemptyset(&held);
  sigaddset(&held, SIGTTOU);
  pthread_sigmask(SIG_BLOCK, &held, nullptr);
  std::unique_lock lock(mutex_);
  while (!said_ && look()) changed_.wait_for(lock, kLookAgain);
}

bool FirstWord::look() {
  if (child_.is_stopped()) {
    if (terminal_.descriptor() < 0) {
      cutter_.cut(kCannotAsk);
      return false;
    }
    // Somebody at the terminal. Nobody could let it go on: his shell knows of us alone.
    kill(-child_.pid(), SIGCONT);
  }
  if (told_ || std::chrono::steady_clock::now() - began_ < kTellAfter) return true;
  told_ = true;
  say("ferry: waiting for the other host to answer (Ctrl-C ends that)\n");
  return true;
}

size_t FirstWordSource::read(std::span<std::byte> into) {
  if (heard_) return in_.read(into);
  const size_t n = in_.read(into);
  heard_ = true;
  first_.said();
  return n;
}

}  // namespace ferry::host
