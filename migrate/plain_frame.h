// Frames that came from another host in plain form: as the process that decrypts and decodes them,
// which has no rights, says them to the one that acts on them.
//
//   | what 4 | bytes 4 | number 8 | challenge 32 | body, so many bytes |
//
//   numbers as this machine has them, each in 8 bytes beyond the head; texts: | bytes 8 | text … |
//
//   hello     | version | settle | xl_flags | streams | wants_progress | paused | job … | secret …
//             | uuid … | name … | libxl_json … | how many were taken back | job … | secret … | …
//   question  | version | guest_bytes | xen_major | xen_minor | tsc_mode | tsc_khz | name … |
//             | uuid … | libxl_json … | cpuid_leaves … | msrs … | how many … | job … | secret … | …
//   join      | job … | secret … |        number: the stream
//   chunk     | data |                    number: the chunk's
//   end       number: chunks in all       handover   number: the message's
//   other     of a kind that no destination has a use for
//   broken    | sentence |                nothing follows: why
//
// The reader believes none of it: every length and count is checked against what there is, memory
// is had for what has arrived, and texts that protobuf would have as UTF-8 are.
#pragma once

#include <optional>
#include <string_view>

#include "ferry/v1/migrate.pb.h"
#include "io/byte_stream.h"
#include "migrate/image_chunk.h"

namespace ferry {

// Throw Error(io).
void write_plain(const v1::MigrateFrame& frame, ByteSink& to);
// The same of a frame that Link::receive(ImageChunk&) gave.
void write_plain(const v1::MigrateFrame& frame, const ImageChunk& chunk, ByteSink& to);
void write_broken(std::string_view sentence, ByteSink& to);

// Nothing at the end; the bytes of a chunk are in chunk then and not in the frame. Throws
// Error(io): what makes no sense, the sentence of one that is broken.
std::optional<v1::MigrateFrame> read_plain(ByteSource& from, ImageChunk& chunk);

}  // namespace ferry
