#!/usr/bin/python3
"""Completion as somebody has it who presses a key in bash: a terminal, readline, ferry's own --help, and an xl that lists
domains with all sorts of names.

usage: completion.py FERRY COMPLETION_FILE [CASE…]
"""
import os
import pathlib
import pty
import select
import shlex
import signal
import sys
import tempfile
import time

DOMAINS = ["Domain-0", "web1", "web2", "db1", "$(touch<pwned)", "`touch>pwned`", "-rf", "a;b", "mail.example-2"]
FILES = ["web1.ferry", "two words.ferry", "$(touch pwned).ferry", "notes.txt"]
JOB = "0123456789abcdef0123456789abcdef"

# What is typed, and what stands there once every completion is inserted: what begins with the last word, or that word.
CASES = {
    "commands": ("ferry r", ["restore", "resume", "receive"]),
    "image commands": ("ferry d", ["dmesg", "diff"]),
    "a command to read about": ("ferry help mi", ["migrate"]),
    "a command of job to read about": ("ferry help job re", ["resume"]),
    "a command of job": ("ferry job re", ["resume"]),
    "no command": ("ferry fly", ["fly"]),
    "options": ("ferry save --ke", ["--keep"]),
    "options of an image command": ("ferry inspect --ht", ["--html"]),
    "options of the program": ("ferry --v", ["--version"]),
    "options of a command of job": ("ferry job set --max", ["--max-downtime"]),
    "choices of an option": ("ferry save --track ", ["auto", "logdirty", "content"]),
    "choices behind an equals sign": ("ferry migrate --on-stall=c", ["cancel", "continue"]),
    "nothing for a number": ("ferry save --threads ", []),
    "the word that can stand for a number": ("ferry save --level ", ["auto"]),
    "domains": ("ferry save ", ["web1", "web2", "db1", "mail.example-2"]),
    "domains that begin so": ("ferry migrate w", ["web1", "web2"]),
    "domains behind options and their values": ("ferry save --keep --level 3 d", ["db1"]),
    "domains of a job": ("ferry job cancel m", ["mail.example-2"]),
    "files behind a domain": ("ferry save web1 n", ["notes.txt"]),
    "no domain where another host is to be": ("ferry migrate web1 w", ["w"]),
    "files to restore": ("ferry restore we", ["web1.ferry"]),
    "files with blanks": ("ferry audit two", ["two words.ferry"]),
    "files that a shell would run": ("ferry audit '$", ["$(touch pwned).ferry"]),
    "the second file": ("ferry diff web1.ferry tw", ["two words.ferry"]),
    "a file as an option's value": ("ferry restore --config no", ["notes.txt"]),
    "a base": ("ferry audit --base no", ["notes.txt"]),
    "jobs": ("ferry job abort 0", [JOB]),
    "nothing behind a job": (f"ferry job resume {JOB} w", ["w"]),
}


class Bash:
    """An interactive bash in a terminal, in a folder of its own."""

    def __init__(self, ferry, completion):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ferry-completion-"))
        self.files = self.folder / "files"
        programs = self.folder / "bin"
        for folder in self.files, programs:
            folder.mkdir()
        for name in FILES:
            (self.files / name).touch()
        self.program(programs / "xl", "printf '%s\\n' 'Name ID Mem VCPUs State Time(s)' " +
                     " ".join(shlex.quote(f"{name} {number} 128 1 r----- 1.0") for number, name in enumerate(DOMAINS)))
        self.program(programs / "ferry", f'[ "$1 $2" != "job list" ] || {{ echo "{JOB} web1"; exit; }}\n'
                     f'exec {shlex.quote(ferry)} "$@"')
        environment = {"PATH": f"{programs}:{os.environ['PATH']}", "HOME": str(self.folder), "TERM": "dumb", "LC_ALL": "C",
                       "PS1": "", "INPUTRC": "/dev/null", "HISTFILE": "", "FERRY_STATE_DIR": str(self.folder / "jobs")}
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.chdir(self.files)
            os.execve("/bin/bash", ["bash", "--noprofile", "--norc", "-i"], environment)
        self.line("bind 'set enable-bracketed-paste off'")
        self.line("words() { printf '%s\\n' \"$@\" >../words.new; mv ../words.new ../words; }")
        self.line(f"source {shlex.quote(completion)}")

    @staticmethod
    def program(path, body):
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)

    def send(self, text):
        os.write(self.terminal, text.encode())

    def line(self, text):
        self.send(text + "\n")
        self.drain(0.05)

    def drain(self, seconds):
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if select.select([self.terminal], [], [], left)[0]:
                os.read(self.terminal, 65536)

    def words(self, typed):
        """What stands on the line behind the command, every completion of its last word inserted (Meta-*)."""
        result = self.folder / "words"
        result.unlink(missing_ok=True)
        self.send(typed + "\x1b*" + "\x01words \n")
        until = time.monotonic() + 60
        while not result.exists():
            if time.monotonic() > until:  # such as a quote in a name that is open now
                self.send("\x03")
                self.drain(0.5)
                return ["(bash waits for more)"]
            self.drain(0.02)
        return result.read_text().splitlines()

    def end(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def expected(typed, completions):
    before = typed.split("=")[0] + "=" if "=" in typed else typed[: typed.rindex(" ")]
    if "=" in typed:  # the first one stands behind it, the others are words of their own
        return shlex.split(before)[:-1] + [shlex.split(before)[-1] + completions[0]] + completions[1:]
    return shlex.split(before) + completions


def main():
    ferry, completion, *chosen = sys.argv[1:]
    bash = Bash(str(pathlib.Path(ferry).resolve()), str(pathlib.Path(completion).resolve()))
    failed = 0
    for case, (typed, completions) in CASES.items():
        if chosen and case not in chosen:
            continue
        seen = bash.words(typed)
        want = expected(typed, completions)
        if sorted(seen) != sorted(want):
            failed += 1
            print(f"{case}: {typed!r} became {seen}, not {want}")
    ran = [path for path in (bash.files / "pwned", bash.folder / "pwned") if path.exists()]
    if ran:
        failed += 1
        print("a name was run as a command")
    bash.end()
    print(f"{len(chosen or CASES)} cases, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
