// Tells what a stream is from its first bytes, without taking them from it.
#pragma once

namespace ferry::helper {

enum class StreamKind { ferry, libxc, unknown };

// A file is looked at where it stands, a socket is peeked at, a pipe is duplicated. Waits until
// there are enough bytes or the end, or until wake_fd, if there is one, becomes readable. Throws
// Error(io), and Error(aborted) when woken.
StreamKind stream_kind(int fd, int wake_fd = -1);

}  // namespace ferry::helper
