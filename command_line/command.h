// What may stand on a program's command line: commands, their options and arguments, and what is
// called when a command is named. command.cpp alone knows the library that parses (CLI11): its
// headers take longer to compile than a command does.
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace ferry {

// What the word behind an option can become. Numbers are decimal or 0x…; each word of a vector is
// one of its elements.
template <typename Value>
concept OptionValue =
    std::same_as<Value, std::string> || std::same_as<Value, std::vector<std::string>> ||
    std::same_as<Value, int> || std::same_as<Value, unsigned> || std::same_as<Value, uint64_t> ||
    std::same_as<Value, std::optional<std::string>> || std::same_as<Value, std::optional<uint64_t>>;

template <typename Number>
concept OptionNumber =
    std::same_as<Number, int> || std::same_as<Number, unsigned> || std::same_as<Number, uint64_t>;

// An option, a flag or an argument of a command: a handle, valid as long as the CommandLine. Each
// function gives the same option back.
class Option {
 public:
  explicit Option(CLI::Option* option) : option_(option) {}

  Option required();
  Option type_name(const std::string& name);    // what --help says for its value, such as FILE
  Option envname(const std::string& variable);  // takes its value where the line gives none
  Option one_value();                           // of a vector: one word each time it is given
  Option one_of(const std::vector<std::string>& words);  // nothing else is taken
  Option excludes(Option other);                         // both are an error
  Option needs(Option other);                            // an error without the other one

  // Both ends are taken. in_shown_range() also says in --help what is taken.
  template <OptionNumber Number>
  Option in_range(Number lowest, Number highest);
  template <OptionNumber Number>
  Option in_shown_range(Number lowest, Number highest);

 private:
  CLI::Option* option_;
};

// A command or a command of a command: a handle, valid as long as the CommandLine. What its options
// fill in has to live until the line is parsed.
class Command {
 public:
  // name: as it is typed; what: one line for the list of commands.
  Command add_command(const std::string& name, const std::string& what);
  // names: "--level", "-r,--raw", or "FILE" for an argument without a dash. The value stays what it
  // is if the line has no such option.
  template <OptionValue Value>
  Option add_option(const std::string& names, Value& value, const std::string& what);
  // The same for a value that is taken by a function, which may throw.
  using TakesWord = std::function<void(const std::string&)>;
  using TakesWords = std::function<void(const std::vector<std::string>&)>;
  Option add_option_for_word(const std::string& names, TakesWord take, const std::string& what);
  Option add_option_for_words(const std::string& names, TakesWords take, const std::string& what);
  Option add_flag(const std::string& names, bool& given, const std::string& what);

  Command footer(const std::string& text);    // the last lines of --help
  Command group(const std::string& heading);  // under which the list of commands has it
  Command require_command();                  // one of its own commands has to be named
  // From the first word on that is no option of the command, nothing is parsed: extra_arguments().
  Command leave_extra_arguments();

  // Called once the whole line is parsed, if the command is named. What it throws, parse() throws.
  Command callback(std::function<void()> run);
  // Called before that.
  Command callback_before_commands(std::function<void()> prepare);

  std::string name() const;
  std::vector<std::string> extra_arguments() const;

 protected:
  explicit Command(CLI::App* app) : app_(app) {}
  CLI::App* app_;
};

// What main() got, without the program's name. "help save" is "save --help", as people type it.
std::vector<std::string> words_of(int argc, const char* const* argv);

// The whole line: what stands on it before a command too.
class CommandLine : public Command {
 public:
  // what: the first line of --help; name: what messages call the program.
  explicit CommandLine(const std::string& what, const std::string& name);
  CommandLine(const CommandLine&) = delete;
  CommandLine& operator=(const CommandLine&) = delete;
  ~CommandLine();

  void add_version(const std::string& text);  // what --version prints
  // For the list of commands: the word that words_of() takes away.
  void add_help_command();

  // Parses, and runs the command that is named; or prints what --help or --version ask for. Throws
  // Error(usage) if the line makes no sense, in one sentence that names the command and where to
  // read more: "DOMAIN is required (ferry job set --help says more)".
  void parse(int argc, const char* const* argv) { parse(words_of(argc, argv)); }
  void parse(std::vector<std::string> words);

 private:
  std::unique_ptr<CLI::App> owned_;
};

}  // namespace ferry
