// A configuration that an operator wrote.
#include "host/operator_config.h"

#include <algorithm>

#include "config/libxl_json.h"
#include "error/error.h"
#include "host/child.h"
#include "io/byte_stream.h"
#include "io/input_file.h"
#include "settings/places.h"

namespace ferry::host {
namespace {

// Beyond what a configuration may have, by a byte: it is told from one that fits.
constexpr size_t kEnough = kLargestConfig + 1;

std::string what_xl_makes_of(const std::string& path) {
  Child xl({place<"xl">(), "create", "--quiet", "--dryrun", path}, {}, {});
  xl.close_input();
  std::string json(kEnough, '\0');
  json.resize(FdSource(xl.output(), "xl create").read(std::as_writable_bytes(std::span(json))));
  if (xl.wait() != 0) fail(Errc::usage, "xl makes no sense of {}; its messages are above", path);
  return json;
}

}  // namespace

std::string operator_config(const std::string& path) {
  const InputFile file(path);
  std::string text(std::min<uint64_t>(file.size(), kEnough), '\0');
  file.read_at(0, std::as_writable_bytes(std::span(text)));
  const size_t begin = text.find_first_not_of(" \t\r\n");
  const bool is_json = begin != std::string::npos && text[begin] == '{';
  return is_json ? text : what_xl_makes_of(path);
}

}  // namespace ferry::host
