// The C headers of Xen's tool libraries, in the order and with the linkage that C++ needs. Only
// sources of xen/, and of sim/ and tests that stand in for a toolstack, include this.
#pragma once

extern "C" {
#include <xenctrl.h>
#include <xenguest.h>

#include <xencall.h>
#include <xenforeignmemory.h>
#include <xentoollog.h>

#include <xen/foreign/x86_64.h>
#include <xen/io/protocols.h>
#include <xen/version.h>

// Exported by libxenctrl, declared in no header: types of up to 1024 frames, in place.
int xc_get_pfn_type_batch(xc_interface* xch, uint32_t dom, unsigned int num, xen_pfn_t* arr);
}
