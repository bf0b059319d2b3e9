// Answers who reads a running guest.
#pragma once

#include <chrono>

#include "io/byte_stream.h"
#include "lend/lent_guest.h"

namespace ferry::lend {

// While nothing was asked, or no answer taken, for so long, nothing of the guest is mapped.
inline constexpr std::chrono::milliseconds kReaderIdle{2000};

// Until there are no more questions (borrow/questions.h), or nobody hears the answers; what fails
// is an answer, too. name: of the guest, for who asks. Throws Error(io) for half a question.
void answer(LentGuest& guest, const std::string& name, ByteSource& questions, ByteSink& answers,
            std::chrono::milliseconds idle = kReaderIdle);

// Answers the first question with this, and no more.
void refuse_to_answer(const Error& error, ByteSource& questions, ByteSink& answers);

}  // namespace ferry::lend
