// Words on the kernel's command line.
#pragma once

namespace ferry::kernel {

// Whether the word is anywhere in the text.
inline bool has_word(const char* text, const char* word) {
  for (; *text != 0; ++text) {
    unsigned i = 0;
    while (word[i] != 0 && text[i] == word[i]) ++i;
    if (word[i] == 0) return true;
  }
  return false;
}

}  // namespace ferry::kernel
