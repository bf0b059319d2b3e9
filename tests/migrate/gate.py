# Stands in the way of what one side of a migration says: hands on frame by frame (length 4, little-endian, and
# body) until one whose body begins with the given hex; with /N behind that, until the next one after N such. There it
# ends; or, given two files, it makes the second and waits for the first.
#
# usage: gate.py HEX[/N] [OPEN REACHED] <FRAMES >FRAMES
import os
import sys
import time

wanted, _, skipped = sys.argv[1].partition("/")
stop, left, files = bytes.fromhex(wanted), int(skipped or 0), sys.argv[2:]
source, sink = sys.stdin.buffer, sys.stdout.buffer
while True:
    head = source.read(4)
    if len(head) < 4:
        break
    body = source.read(int.from_bytes(head, "little"))
    left -= body.startswith(stop)
    if body.startswith(stop) and left < 0:
        if not files:
            break
        open(files[1], "w").close()
        while not os.path.exists(files[0]):
            if not os.path.exists(files[1]):
                sys.exit()  # the test has ended
            time.sleep(0.01)
    sink.write(head + body)
    sink.flush()
