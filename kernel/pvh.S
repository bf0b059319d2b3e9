// The other way in: with hardware-assisted paging Xen enters the kernel in protected mode, without paging, and all page
// tables are the kernel's own. Memory is shown where the paravirtual kernel has its direct map, with large pages.
#include <xen/elfnote.h>

#define CR0_PAGING 0x80000000
#define CR4_PAE 0x20
#define MSR_EFER 0xc0000080
#define EFER_LONG_MODE 0x100
#define LARGE 0x83              // an L2 entry that maps 2 MiB: present, writable, large
#define TABLE 0x03
#define DIRECT_MAP_SLOT 272     // of the L4, at 0xffff880000000000

  .pushsection .note.Xen, "a", @note
  .balign 4
  .long 4, 8, XEN_ELFNOTE_PHYS32_ENTRY
  .asciz "Xen"
  .quad pvh_entry_at
  .popsection

// ebx: the physical address of hvm_start_info. Names that end in _at are physical addresses (kernel.lds).
  .text
  .code32
  .global pvh_entry
pvh_entry:
  cld
  // Four L2 tables for 4 GiB, since what Xen shares with the guest is near the end of these.
  mov $pvh_l2_at, %edi
  mov $LARGE, %eax
1:
  mov %eax, (%edi)
  movl $0, 4(%edi)
  add $8, %edi
  add $0x200000, %eax
  jnc 1b
  mov $pvh_l2_at + TABLE, %eax
  mov $pvh_l3_at, %edi
  mov $4, %ecx
2:
  mov %eax, (%edi)
  add $8, %edi
  add $0x1000, %eax
  loop 2b
  movl $pvh_l3_at + TABLE, pvh_l4_at
  movl $pvh_l3_at + TABLE, pvh_l4_at + 8 * DIRECT_MAP_SLOT

  mov %cr4, %eax
  or $CR4_PAE, %eax
  mov %eax, %cr4
  mov $pvh_l4_at, %eax
  mov %eax, %cr3
  mov $MSR_EFER, %ecx
  rdmsr
  or $EFER_LONG_MODE, %eax
  wrmsr
  mov %cr0, %eax
  or $CR0_PAGING, %eax
  mov %eax, %cr0
  lgdt pvh_gdt_pointer_at
  ljmp $8, $pvh_long_mode_at

  .code64
  .global pvh_long_mode
pvh_long_mode:
  mov $16, %eax
  mov %eax, %ds
  mov %eax, %es
  mov %eax, %ss
  movabs $pvh_stack_end, %rsp
  mov %ebx, %edi
  xor %ebp, %ebp
  movabs $pvh_main, %rax
  call *%rax
  ud2

  .section .rodata
  .balign 8
pvh_gdt:
  .quad 0
  .quad 0x00af9b000000ffff      // code of 64 bits
  .quad 0x00cf93000000ffff      // data
  .global pvh_gdt_pointer
pvh_gdt_pointer:
  .word 23
  .long pvh_gdt_at
  .global pvh_gdt

  .bss
  .balign 4096
  .global pvh_l4, pvh_l3, pvh_l2
pvh_l4:
  .skip 4096
pvh_l3:
  .skip 4096
pvh_l2:
  .skip 4 * 4096
pvh_stack:
  .skip 16384
pvh_stack_end:
