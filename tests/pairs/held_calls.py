#!/usr/bin/env python3
"""Whether a command is held before every call that changes a file, a socket or a process: the C library's functions
that the programs import, against those that the points object stands in front of.

usage: held_calls.py POINTS_OBJECT PROGRAM..."""
import re
import subprocess
import sys

CHANGES = re.compile(
    r"(re|un|sym)?(name|link)(at2?)?|(mk|rm)\w+|creat(64)?|open(at2?)?(64)?|[lf]?ch(mod|own)(at)?|(f|posix_f)?(truncate|allocate)(64)?"
    r"|f(data)?sync|sync(fs|_file_range)?|flock|lockf|p?writev?(64|2)?|send\w*|splice|tee|copy_file_range|connect|bind|listen"
    r"|shutdown|ioctl|kill|tgkill|pidfd_\w+|f?setxattr|utime\w*|mount|umount2?"
)
# Bytes of an image between two pipes, which nobody else sees; a folder of a test's; when what was written goes to the disk.
NOT_HELD = {"splice", "tee", "mkdtemp", "sync_file_range"}


def symbols(path, which):
    lines = subprocess.run(["nm", "-D", which, path], check=True, capture_output=True, text=True).stdout.splitlines()
    return {line.split()[-1].split("@")[0] for line in lines}


def main():
    held = symbols(sys.argv[1], "--defined-only")
    status = 0
    for program in sys.argv[2:]:
        for name in sorted(symbols(program, "--undefined-only") - held - NOT_HELD):
            if CHANGES.fullmatch(name):
                print(f"{program} calls {name}, before which no command is held")
                status = 1
    return status


sys.exit(main())
