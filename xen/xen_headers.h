// Xen's C headers, in the order and with the linkage that C++ needs. Only files in xen/ and sim/,
// and the few that hand structures of Xen's public ABI around, include this.
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

// Exported by libxenctrl.so.4.17, declared in no header: types of up to 1024 frames, in place.
int xc_get_pfn_type_batch(xc_interface* xch, uint32_t dom, unsigned int num, xen_pfn_t* arr);
}
