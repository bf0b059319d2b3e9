// What somebody who reads a running guest asks of who has it, one question at a time:
//
//   question  | what 8 | number 8 |
//   answer    | status 8 | bytes 8 | … |
//
// Numbers are little-endian. status is 0, or 1 + the code of an error whose sentence follows.
//
//   look      number 0: the guest is looked at anew        | records 8 | name … |
//   record    number i below that                          one record but Pages: Head, vCPUs, …
//   kinds     part of 65536 pfns, as in an index           | first 8 | pages 8 | kind 8 | …
//   pages     batch of kPfnsPerBatch pfns                  their Pages record
//   seen      number 0: what came of it since the look     | of one moment 8 | lost pages 8 |
//                                                          | lost entries 8 |
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "error/error.h"
#include "io/byte_stream.h"

namespace ferry::borrow {

enum class What : uint64_t { look = 1, record, kinds, pages, seen };

struct Question {
  What what = What::look;
  uint64_t number = 0;
};

// Of one Pages record: few enough that a single page costs little, enough that all of them do.
inline constexpr uint64_t kPfnsPerBatch = 256;
// Of any answer. A record has at most 6 MiB.
inline constexpr uint64_t kMostAnswer = 8u << 20;

// What was seen of a guest since it was looked at.
struct Seen {
  bool one_moment = false;    // it did not run meanwhile
  uint64_t lost_pages = 0;    // whose frames went away: they were given as zeros
  uint64_t lost_entries = 0;  // of page tables and p2m, that name no frame of the guest: given as 0
};

void put_number(Bytes& to, uint64_t number);

// Takes numbers from the front. Throws Error(internal) if there are none left.
uint64_t take_number(std::span<const std::byte>& from);

void send_question(ByteSink& sink, const Question& question);
// False at the end of all questions. Throws Error(io).
bool next_question(ByteSource& source, Question& question);

void send_answer(ByteSink& sink, std::span<const std::byte> answer);
void send_error(ByteSink& sink, const Error& error);
// Throws the error that was sent; Error(io) if the other side has ended, Error(internal) if what it
// says makes no sense.
Bytes take_answer(ByteSource& source);

}  // namespace ferry::borrow
