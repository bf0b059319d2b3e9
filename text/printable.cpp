// Text from images, guests and peers, made fit for a terminal.
#include "text/printable.h"

namespace ferry {

std::string printable(std::string_view text) {
  std::string clean;
  for (const char c : text) clean += c >= 0x20 && c < 0x7f ? c : '?';
  return clean;
}

}  // namespace ferry
