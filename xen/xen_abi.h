// Structures and numbers of Xen's public interface that a guest's memory and registers are made of.
// No library's functions.
#pragma once

#include <cstdint>

// As xenctrl.h says before it includes the same headers.
#ifndef __XEN_TOOLS__
#define __XEN_TOOLS__ 1
#endif

extern "C" {
#include <xen/xen.h>

#include <xen/foreign/x86_64.h>
}
