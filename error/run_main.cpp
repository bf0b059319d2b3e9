// How every program ends that does not end well.
#include "error/run_main.h"

#include <cstdio>
#include <new>

#include "text/printable.h"
#include "text/say.h"

namespace ferry {

void complain(std::string_view program, std::string_view sentence) {
  say(fmt::format("{}: {}\n", program, printable(sentence)));
}

int run_main(std::string_view program, const std::function<int()>& body) {
  Exit exit = Exit::failed;
  try {
    return body();
  } catch (const Error& error) {
    complain(program, error.what());
    exit = exit_code(error.code());
  } catch (const std::bad_alloc&) {
    complain(program, "not enough memory");
  } catch (const std::exception& error) {
    complain(program, error.what());
  }
  return static_cast<int>(exit);
}

}  // namespace ferry
