// Answers who reads a running guest.
#include "lend/answer.h"

#include "error/error.h"

namespace ferry::lend {
namespace {

using borrow::put_number;
using borrow::What;

Bytes kinds_of(const LentGuest& guest, uint64_t part) {
  Bytes answer;
  for (const PageRun& run : guest.kinds(part)) {
    put_number(answer, run.first.raw());
    put_number(answer, run.count);
    put_number(answer, static_cast<uint64_t>(run.kind));
  }
  return answer;
}

Bytes seen_of(const LentGuest& guest) {
  const borrow::Seen seen = guest.seen();
  Bytes answer;
  put_number(answer, seen.one_moment ? 1 : 0);
  put_number(answer, seen.lost_pages);
  put_number(answer, seen.lost_entries);
  return answer;
}

[[noreturn]] void unheard_of() {
  fail(Errc::internal, "the guest's memory was asked for something that is not there");
}

void answer_one(LentGuest& guest, const std::string& name, const borrow::Question& question,
                ByteSink& answers) {
  if (question.what == What::look) {
    guest.look();
    Bytes answer;
    put_number(answer, guest.records().size());
    const auto letters = std::as_bytes(std::span(name));
    answer.insert(answer.end(), letters.begin(), letters.end());
    return borrow::send_answer(answers, answer);
  }
  if (guest.records().empty()) unheard_of();  // nobody has looked yet
  switch (question.what) {
    case What::record:
      if (question.number >= guest.records().size()) unheard_of();
      return borrow::send_answer(answers, guest.records()[question.number]);
    case What::kinds:
      if (question.number > kMaxPfns / kPfnsPerIndexPart) unheard_of();
      return borrow::send_answer(answers, kinds_of(guest, question.number));
    case What::pages: {
      if (question.number > kMaxPfns / borrow::kPfnsPerBatch) unheard_of();
      const auto record = guest.pages(question.number);
      if (record.empty()) unheard_of();
      return borrow::send_answer(answers, record);
    }
    case What::seen:
      return borrow::send_answer(answers, seen_of(guest));
    default:
      unheard_of();
  }
}

}  // namespace

void answer(LentGuest& guest, const std::string& name, ByteSource& questions, ByteSink& answers) {
  borrow::Question question;
  while (borrow::next_question(questions, question)) {
    try {
      answer_one(guest, name, question, answers);
    } catch (const Error& error) {
      if (error.code() == Errc::io) return;  // nobody hears the answer
      borrow::send_error(answers, error);
    }
  }
}

void refuse_to_answer(const Error& error, ByteSource& questions, ByteSink& answers) {
  borrow::Question question;
  if (borrow::next_question(questions, question)) borrow::send_error(answers, error);
}

}  // namespace ferry::lend
