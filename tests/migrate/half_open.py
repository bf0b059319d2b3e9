# Hands on between a source and a receiver: usage: half_open.py PORT RECEIVER_PORT BYTES. On the first connection no
# answer gets through any more once the source has said so many bytes, and when the source is gone the receiver does not
# hear of it, as when a cable is cut. Prints a line when it can be connected to.
import socket
import sys
import threading

port, receiver, limit = (int(word) for word in sys.argv[1:])
kept = []


def copy(source, sink, first, forward, count):
    while True:
        try:
            data = source.recv(65536)
        except OSError:
            data = b""
        if not data:
            break
        if forward:
            count[0] += len(data)
        elif first and count[0] > limit:
            continue
        try:
            sink.sendall(data)
        except OSError:
            break
    if not (first and forward):
        try:
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass


server = socket.create_server(("127.0.0.1", port))
print("ready", flush=True)
first = True
while True:
    source, _ = server.accept()
    sink = socket.create_connection(("127.0.0.1", receiver))
    kept.append((source, sink))
    count = [0]
    threading.Thread(target=copy, args=(source, sink, first, True, count), daemon=True).start()
    threading.Thread(target=copy, args=(sink, source, first, False, count), daemon=True).start()
    first = False
