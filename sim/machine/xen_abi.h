// Xen's public headers, with C linkage: every structure and number of the simulated machine comes
// from them.
#pragma once

extern "C" {
#include <xenctrl.h>  // first: defines __XEN_TOOLS__, which domctl.h and sysctl.h ask for

#include <xen/arch-x86/cpuid.h>
#include <xen/callback.h>
#include <xen/domctl.h>
#include <xen/event_channel.h>
#include <xen/features.h>
#include <xen/grant_table.h>
#include <xen/hvm/hvm_op.h>
#include <xen/memory.h>
#include <xen/physdev.h>
#include <xen/sched.h>
#include <xen/sysctl.h>
#include <xen/vcpu.h>
#include <xen/version.h>
#include <xen/xen.h>
}
