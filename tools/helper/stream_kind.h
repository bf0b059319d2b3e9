// Tells what a stream is from its first bytes, without taking them from it.
#pragma once

namespace ferry::helper {

enum class StreamKind { ferry, libxc, unknown };

// A file is looked at where it stands, a socket is peeked at, a pipe is duplicated. Blocks until
// there are enough bytes or the end. Throws Error(io).
StreamKind stream_kind(int fd);

}  // namespace ferry::helper
