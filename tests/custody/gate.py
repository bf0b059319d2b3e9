# Stands in the way of what a receiver answers: hands on frame by frame (length 4, little-endian, and
# body), but holds one whose body is the given hex until a file is there.
import os
import sys
import time

held, opened, reached = bytes.fromhex(sys.argv[1]), sys.argv[2], sys.argv[3]
source, sink = sys.stdin.buffer, sys.stdout.buffer
while True:
    head = source.read(4)
    if len(head) < 4:
        break
    body = source.read(int.from_bytes(head, "little"))
    if body == held:
        open(reached, "w").close()
        while not os.path.exists(opened):
            time.sleep(0.01)
    sink.write(head + body)
    sink.flush()
