// What pages hold: a page is filled from a number, so that its contents can be judged at any time.
// The number 0 is a page of zeros.
#pragma once

#include <stdint.h>

namespace ferry::kernel {

inline constexpr unsigned kWords = 512;

constexpr uint64_t next_word(uint64_t word) {
  return word * 6364136223846793005u + 1442695040888963407u;
}
constexpr uint64_t first_word(uint64_t content) {
  return content == 0 ? 0 : next_word(content);
}
constexpr uint64_t word_after(uint64_t content, uint64_t word) {
  return content == 0 ? 0 : next_word(word);
}

inline void fill(volatile uint64_t* page, uint64_t content) {
  uint64_t word = first_word(content);
  for (unsigned i = 0; i < kWords; ++i, word = word_after(content, word)) page[i] = word;
}

// The first word that is not what it should be; kWords if there is none.
inline unsigned first_difference(const volatile uint64_t* page, uint64_t content) {
  uint64_t word = first_word(content);
  unsigned i = 0;
  for (; i < kWords && page[i] == word; ++i) word = word_after(content, word);
  return i;
}

// The same while somebody writes new contents over old ones, right now maybe: each word is of the
// one or of the other.
inline unsigned first_difference(const volatile uint64_t* page, uint64_t old_content,
                                 uint64_t new_content) {
  uint64_t before = first_word(old_content), after = first_word(new_content);
  for (unsigned i = 0; i < kWords; ++i) {
    const uint64_t word = page[i];
    if (word != before && word != after) return i;
    before = word_after(old_content, before);
    after = word_after(new_content, after);
  }
  return kWords;
}

// Numbers without order, for what the kernel does next.
inline uint64_t draw(uint64_t& state) {
  state = next_word(state);
  return state >> 33;
}

}  // namespace ferry::kernel
