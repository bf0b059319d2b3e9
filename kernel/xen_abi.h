// Xen's public headers, as far as the kernel itself speaks to Xen. What the guest half needs of
// them is in guest/abi.h.
#pragma once

#include <stddef.h>
#include <stdint.h>

// Without it these headers speak of Xen 3.0: another sched_op, another event_channel_op.
#ifndef __XEN_INTERFACE_VERSION__
#define __XEN_INTERFACE_VERSION__ 0x00040d00
#endif

extern "C" {
#include <xen/callback.h>
#include <xen/event_channel.h>
#include <xen/grant_table.h>
#include <xen/io/console.h>
#include <xen/io/xs_wire.h>
#include <xen/memory.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include <xen/xen.h>
}
