// What may stand on a program's command line, by CLI11.
#include "command_line/command.h"

#include <algorithm>
#include <set>
#include <sstream>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "error/error.h"
#include "text/print.h"

namespace ferry {

Option Option::required() {
  option_->required();
  return *this;
}

Option Option::type_name(const std::string& name) {
  option_->type_name(name);
  return *this;
}

Option Option::envname(const std::string& variable) {
  option_->envname(variable);
  return *this;
}

Option Option::one_value() {
  option_->allow_extra_args(false);
  return *this;
}

Option Option::one_of(const std::vector<std::string>& words) {
  option_->check(CLI::IsMember(words).description(""));
  return *this;
}

Option Option::excludes(Option other) {
  option_->excludes(other.option_);
  return *this;
}

Option Option::needs(Option other) {
  option_->needs(other.option_);
  return *this;
}

template <OptionNumber Number>
Option Option::in_range(Number lowest, Number highest) {
  option_->check(CLI::Range(lowest, highest).description(""));
  return *this;
}

template <OptionNumber Number>
Option Option::in_shown_range(Number lowest, Number highest) {
  option_->check(CLI::Range(lowest, highest));
  return *this;
}

template Option Option::in_range(int, int);
template Option Option::in_range(unsigned, unsigned);
template Option Option::in_range(uint64_t, uint64_t);
template Option Option::in_shown_range(int, int);
template Option Option::in_shown_range(unsigned, unsigned);
template Option Option::in_shown_range(uint64_t, uint64_t);

Command Command::add_command(const std::string& name, const std::string& what) {
  return Command(app_->add_subcommand(name, what));
}

template <OptionValue Value>
Option Command::add_option(const std::string& names, Value& value, const std::string& what) {
  return Option(app_->add_option(names, value, what));
}

template Option Command::add_option(const std::string&, std::string&, const std::string&);
template Option Command::add_option(const std::string&, std::vector<std::string>&,
                                    const std::string&);
template Option Command::add_option(const std::string&, int&, const std::string&);
template Option Command::add_option(const std::string&, unsigned&, const std::string&);
template Option Command::add_option(const std::string&, uint64_t&, const std::string&);
template Option Command::add_option(const std::string&, std::optional<std::string>&,
                                    const std::string&);
template Option Command::add_option(const std::string&, std::optional<uint64_t>&,
                                    const std::string&);

Option Command::add_option_for_word(const std::string& names, TakesWord take,
                                    const std::string& what) {
  return Option(app_->add_option_function<std::string>(names, take, what));
}

Option Command::add_option_for_words(const std::string& names, TakesWords take,
                                     const std::string& what) {
  return Option(app_->add_option_function<std::vector<std::string>>(names, take, what));
}

Option Command::add_flag(const std::string& names, bool& given, const std::string& what) {
  return Option(app_->add_flag(names, given, what));
}

Command Command::footer(const std::string& text) {
  app_->footer(text);
  return *this;
}

Command Command::group(const std::string& heading) {
  app_->group(heading);
  return *this;
}

Command Command::require_command() {
  app_->require_subcommand(1);
  return *this;
}

Command Command::leave_extra_arguments() {
  app_->prefix_command();
  return *this;
}

Command Command::callback(std::function<void()> run) {
  app_->callback(std::move(run));
  return *this;
}

Command Command::callback_before_commands(std::function<void()> prepare) {
  app_->parse_complete_callback(std::move(prepare));
  return *this;
}

std::string Command::name() const {
  return app_->get_name();
}

std::vector<std::string> Command::extra_arguments() const {
  return app_->remaining();
}

namespace {

// What --help says, each time in the same order: CLI11 lists what an option needs or excludes in
// the order of addresses, this in that of the options.
class HelpInOrder : public CLI::Formatter {
 public:
  std::string make_help(const CLI::App* app, std::string name,
                        CLI::AppFormatMode mode) const override {
    app_ = app;
    return CLI::Formatter::make_help(app, name, mode);
  }

  std::string make_option_opts(const CLI::Option* option) const override {
    std::string text = CLI::Formatter::make_option_opts(option);
    put_in_order(text, option->get_needs());
    put_in_order(text, option->get_excludes());
    return text;
  }

 private:
  void put_in_order(std::string& text, const std::set<CLI::Option*>& others) const {
    std::string by_address, in_order;
    for (const CLI::Option* other : others) by_address += " " + other->get_name();
    for (const CLI::Option* option : app_->get_options())
      if (others.count(const_cast<CLI::Option*>(option)) != 0) in_order += " " + option->get_name();
    const size_t at = text.find(":" + by_address);
    if (!others.empty() && at != std::string::npos)
      text.replace(at + 1, by_address.size(), in_order);
  }

  mutable const CLI::App* app_ = nullptr;
};

// Of the commands named, the innermost is the one that somebody wants to read about. `app` has just
// failed to parse with `error`.
std::string usage_sentence(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App* command = &app;
  std::string name = app.get_name();
  while (!command->get_subcommands().empty()) {
    command = command->get_subcommands().back();
    name += " " + command->get_name();
  }
  const bool wants_command = command->get_require_subcommand_min() > 0;
  if (!wants_command) return fmt::format("{} ({} --help says more)", error.what(), name);
  const std::vector<std::string> rest = command->remaining();
  if (rest.empty()) return fmt::format("which command? ({} --help lists all)", name);
  if (rest.front().starts_with('-'))
    return fmt::format("there is no option {} ({} --help says more)", rest.front(), name);
  const std::string of = name.substr(app.get_name().size());  // " job" of ferry job
  return fmt::format("there is no command{} {} ({} --help lists all)", of, rest.front(), name);
}

}  // namespace

std::vector<std::string> words_of(int argc, const char* const* argv) {
  std::vector<std::string> words;
  for (int i = 1; i < argc; ++i) words.emplace_back(argv[i]);
  if (words.empty() || words.front() != "help") return words;
  words.erase(words.begin());
  words.emplace_back("--help");
  return words;
}

CommandLine::CommandLine(const std::string& what, const std::string& name)
    : Command(new CLI::App(what, name)), owned_(app_) {
  app_->formatter(std::make_shared<HelpInOrder>());  // commands that are added have it too
}

CommandLine::~CommandLine() = default;

void CommandLine::add_version(const std::string& text) {
  app_->set_version_flag("--version", text);
}

void CommandLine::add_help_command() {
  app_->add_subcommand("help", "Print the --help of a command");
}

void CommandLine::parse(std::vector<std::string> words) {
  std::reverse(words.begin(), words.end());  // CLI11 takes them from the end
  try {
    app_->parse(std::move(words));
  } catch (const CLI::Success& asked) {
    std::ostringstream text;
    app_->exit(asked, text, text);
    answer_with(text.str());
  } catch (const CLI::ParseError& error) {
    fail(Errc::usage, "{}", usage_sentence(*app_, error));
  }
}

}  // namespace ferry
