// Answers who reads a running guest.
#include "lend/answer.h"

#include <optional>

#include "error/error.h"
#include "lend/idle_watch.h"

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

// memory: what the answer may lie in; else it is the guest's, until the next question.
std::span<const std::byte> answer_to(LentGuest& guest, const std::string& name,
                                     const borrow::Question& question, Bytes& memory) {
  if (question.what == What::look) {
    guest.look();
    put_number(memory, guest.records().size());
    const auto letters = std::as_bytes(std::span(name));
    memory.insert(memory.end(), letters.begin(), letters.end());
    return memory;
  }
  if (guest.records().empty()) unheard_of();  // nobody has looked yet
  switch (question.what) {
    case What::record:
      if (question.number >= guest.records().size()) unheard_of();
      return guest.records()[question.number];
    case What::kinds:
      if (question.number > kMaxPfns / kPfnsPerIndexPart) unheard_of();
      return memory = kinds_of(guest, question.number);
    case What::pages: {
      if (question.number > kMaxPfns / borrow::kPfnsPerBatch) unheard_of();
      const auto record = guest.pages(question.number);
      if (record.empty()) unheard_of();
      return record;
    }
    case What::seen:
      return memory = seen_of(guest);
    default:
      unheard_of();
  }
}

}  // namespace

void answer(LentGuest& guest, const std::string& name, ByteSource& questions, ByteSink& answers,
            std::chrono::milliseconds idle) {
  IdleWatch watch(idle, [&] { guest.let_go(); });
  borrow::Question question;
  while (borrow::next_question(questions, question)) {
    Bytes memory;
    std::span<const std::byte> said;
    std::optional<Error> failed;
    {
      const auto turn = watch.turn();
      try {
        said = answer_to(guest, name, question, memory);
      } catch (const Error& error) {
        failed.emplace(error);
      }
    }
    try {
      failed ? borrow::send_error(answers, *failed) : borrow::send_answer(answers, said);
    } catch (const Error&) {
      return;  // nobody hears the answer
    }
  }
}

void refuse_to_answer(const Error& error, ByteSource& questions, ByteSink& answers) {
  borrow::Question question;
  if (borrow::next_question(questions, question)) borrow::send_error(answers, error);
}

}  // namespace ferry::lend
