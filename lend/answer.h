// Answers who reads a running guest.
#pragma once

#include "io/byte_stream.h"
#include "lend/lent_guest.h"

namespace ferry::lend {

// Until there are no more questions (borrow/questions.h), or nobody hears the answers; what fails
// is an answer, too. name: of the guest, for who asks. Throws Error(io) for half a question.
void answer(LentGuest& guest, const std::string& name, ByteSource& questions, ByteSink& answers);

// Answers the first question with this, and no more.
void refuse_to_answer(const Error& error, ByteSource& questions, ByteSink& answers);

}  // namespace ferry::lend
