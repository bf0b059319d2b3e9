// What a command says on standard output.
#pragma once

#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace ferry {

// Writes all of it, in one piece if the system takes it so. 0, or why it cannot be written, as
// errno.
int write_out(std::string_view text) noexcept;

// What somebody has asked for: if it cannot be written, the program says so at its end and has
// failed (error/run_main.h).
void answer_with(std::string_view text) noexcept;
// What has been done to a guest. That nobody hears of it undoes nothing, and an exit code that says
// it failed would be wrong: if it cannot be written, it goes to standard error.
void report_that(std::string_view text) noexcept;

template <typename... Args>
void print_answer(fmt::format_string<Args...> format, Args&&... args) {
  answer_with(fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void print_report(fmt::format_string<Args...> format, Args&&... args) {
  report_that(fmt::format(format, std::forward<Args>(args)...));
}

// Why an answer could not be written, as errno; 0: all of them were.
int unwritten_answer() noexcept;

}  // namespace ferry
