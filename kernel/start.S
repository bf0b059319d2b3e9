// What Xen wants to know of the kernel, where it enters it, and how the kernel goes to user mode.
#include <xen/elfnote.h>

#define IRET 23                 // the hypercall's number
#define FRAME_CS 144            // in trap_frame (trap.h)
#define CPU_KERNEL_STACK 8      // in cpu_data (cpu.h)

  .macro elfnote type, value:vararg
  .pushsection .note.Xen, "a", @note
  .balign 4
  .long 2f - 1f
  .long 4f - 3f
  .long \type
1: .asciz "Xen"
2: .balign 4
3: \value
4: .balign 4
  .popsection
  .endm

elfnote XEN_ELFNOTE_GUEST_OS, .asciz "ferry"
elfnote XEN_ELFNOTE_LOADER, .asciz "generic"
elfnote XEN_ELFNOTE_XEN_VERSION, .asciz "xen-3.0"
elfnote XEN_ELFNOTE_VIRT_BASE, .quad direct_map
elfnote XEN_ELFNOTE_PADDR_OFFSET, .quad 0
elfnote XEN_ELFNOTE_ENTRY, .quad _start
elfnote XEN_ELFNOTE_HYPERCALL_PAGE, .quad hypercall_page
elfnote XEN_ELFNOTE_SUSPEND_CANCEL, .long 1

// Xen fills this page: 32 bytes of code for each hypercall.
  .section .text.hypercall_page, "ax"
  .balign 4096
  .global hypercall_page
hypercall_page:
  .fill 4096, 1, 0xc3

// vCPU 0 begins here, on a stack of the builder's that is one page long. rsi: start_info.
  .text
  .global _start
_start:
  cld
  lea boot_stack_end(%rip), %rsp
  mov %rsi, %rdi
  xor %ebp, %ebp
  call kernel_main
  ud2

// Every entry brings a frame to the same form. Xen has pushed, last first: rcx, r11, an error code for
// some, rip, cs, rflags, rsp, ss; rcx and r11 are then what they were.
  .macro entry name, vector, error
\name:
  pop %rcx
  pop %r11
  .if !\error
  push $0
  .endif
  push $\vector
  jmp entered
  .endm

  .irp vector, 0, 1, 2, 3, 4, 5, 6, 7, 9, 16, 18, 19
  entry trap_\vector, \vector, 0
  .endr
  .irp vector, 8, 10, 11, 12, 13, 14, 17
  entry trap_\vector, \vector, 1
  .endr
  .global enter_event, enter_system_call
  entry enter_event, 256, 0
  entry enter_system_call, 257, 0

// Xen could not load a selector that a return asked for; rcx, r11, ds, es, fs, gs come first.
  .global enter_failsafe
enter_failsafe:
  pop %rcx
  pop %r11
  add $32, %rsp
  push $0
  push $258

entered:
  cld
  push %rdi
  push %rsi
  push %rdx
  push %rcx
  push %rax
  push %r8
  push %r9
  push %r10
  push %r11
  push %rbx
  push %rbp
  push %r12
  push %r13
  push %r14
  push %r15
  mov %rsp, %rdi
  testb $3, FRAME_CS(%rsp)
  jnz user_has_ended
  mov %rsp, %rbp
  and $-16, %rsp
  call trap_in_kernel
  mov %rbp, %rsp

// To where the frame at rsp says. Xen's own return takes rax, r11, rcx and a word of flags in front of the
// rest; the first three it pushes itself.
go_on:
  pop %r15
  pop %r14
  pop %r13
  pop %r12
  pop %rbp
  pop %rbx
  pop %r11
  pop %r10
  pop %r9
  pop %r8
  pop %rax
  pop %rcx
  pop %rdx
  pop %rsi
  pop %rdi
  add $16, %rsp
  push $0
  jmp hypercall_page + 32 * IRET

// trap_frame* run_user(const trap_frame*)
  .global run_user
run_user:
  push %rbx
  push %rbp
  push %r12
  push %r13
  push %r14
  push %r15
  mov %rsp, %gs:CPU_KERNEL_STACK
  mov %rdi, %rsp
  jmp go_on
user_has_ended:
  mov %rdi, %rax
  mov %gs:CPU_KERNEL_STACK, %rsp
  pop %r15
  pop %r14
  pop %r13
  pop %r12
  pop %rbp
  pop %rbx
  ret

  .section .rodata
  .balign 8
  .global trap_entries
trap_entries:
  .quad trap_0, trap_1, trap_2, trap_3, trap_4, trap_5, trap_6, trap_7
  .quad trap_8, trap_9, trap_10, trap_11, trap_12, trap_13, trap_14, 0
  .quad trap_16, trap_17, trap_18, trap_19
  .fill 12, 8, 0

  .bss
  .balign 4096
boot_stack:
  .skip 16384
boot_stack_end:
