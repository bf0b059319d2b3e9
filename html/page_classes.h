// How the classes of pages look and what they are called, on the map and in its legend.
#pragma once

#include <array>
#include <string_view>

#include "audit/memory_cells.h"

namespace ferry::html {

struct ClassLook {
  audit::PageClass page_class;
  std::string_view style;  // a class of style.css: colour and pattern
  std::string_view name;   // as short as it can be, because the map has it thousands of times
  std::string_view words;  // for the legend
};

// From the bottom of a cell to its top.
inline constexpr std::array<ClassLook, audit::kPageClasses> kClassLooks = {{
    {audit::PageClass::data, "data", "data", "data"},
    {audit::PageClass::p2m_leaf, "leaf", "p2m leaf", "p2m leaf"},
    {audit::PageClass::l1, "l1", "L1", "L1 table"},
    {audit::PageClass::l2, "l2", "L2", "L2 table"},
    {audit::PageClass::l3, "l3", "L3", "L3 table"},
    {audit::PageClass::l4, "l4", "L4", "L4 table"},
    {audit::PageClass::zero, "zero", "zero", "zero"},
    {audit::PageClass::absent, "absent", "no frame", "no frame (ballooned, hole)"},
    {audit::PageClass::unmentioned, "none", "not saved", "not in the image"},
}};

}  // namespace ferry::html
