// What libxl reads of a configuration: every key of libxl_domain_config as Xen 4.17 and 4.20 have
// it, with the form that its value has in JSON, and how far a value from somebody else is taken.
//
// libxl finds a key by its exact name, takes the first of two, and passes over one that it does not
// know or whose value has another form; a text of its ends at the first NUL.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace ferry {

enum class Form {
  boolean,
  tristate,  // "True", "False" or "<default>"
  number,    // lowest to highest
  text,
  lines,      // a text in which tabs and ends of lines may be
  word,       // the name of an enumeration's value
  numbers,    // a list: bitmaps, interrupts
  bitmaps,    // a list of those
  texts,      // a list
  words,      // a list
  texts_map,  // names and texts
  cpuid,      // a list of leaves, or an object with one of leaves and one of MSRs
  object,     // of a group
  objects,    // a list of those
  scalar,     // text, number or boolean
};

// How far a value is taken that nobody vouches for.
enum class Rule {
  free,             // whatever it is
  refuse,           // only what libxl has without it: nothing, 0, false
  one_of,           // only the words of the key, and nothing
  name,             // letters, digits and a few signs: it becomes part of a path or an argument
  address,          // the same, and blanks, commas and strokes
  kernel,           // a file in the folders for kernels
  disk,             // with the other keys of its disk
  script,           // a program of Xen's script folder
  bootloader,       // pygrub
  bootloader_args,  // those of pygrub that name no file of the host
  drop,             // this host's own to say
  never,            // no guest that we restore has it, or other words than those of the key
};

struct KeyGroup;

struct Key {
  std::string_view name;  // one that ends in * stands for all that begin so
  Form form;
  Rule rule = Rule::free;
  std::string_view words = {};  // of one_of: those; of refuse: what such a value does
  const KeyGroup* group = nullptr;
  int64_t lowest = 0, highest = 0;
};

struct KeyGroup {
  std::span<const Key> keys;
};

// libxl_domain_config.
extern const KeyGroup kDomainConfigKeys;
// One of its disks, which are judged as a whole.
extern const KeyGroup kDiskKeys;

// Nothing if libxl does not know it.
const Key* find_key(const KeyGroup& group, std::string_view name);

}  // namespace ferry
