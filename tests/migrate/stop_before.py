# Stands in the way of what a source says: hands on frame by frame (length 4, little-endian, and body), and
# ends before one whose body begins with the given hex.
import sys

stop = bytes.fromhex(sys.argv[1])
source, sink = sys.stdin.buffer, sys.stdout.buffer
while True:
    head = source.read(4)
    if len(head) < 4:
        break
    body = source.read(int.from_bytes(head, "little"))
    if body.startswith(stop):
        break
    sink.write(head + body)
    sink.flush()
