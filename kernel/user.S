// What processes run: a page of code that each of them maps. The kernel sets the registers and the address
// at which it begins; a program ends with a system call, or with a fault, or is interrupted and goes on.
  .section .rodata
  .balign 4096
  .global user_text
user_text:

// Reads a page and compares each word with what it should be; writes each word anew if asked to.
//   rdi  the page
//   rsi  the word that should be first; each next one is the last times rbp plus r12
//   rbx  nothing is written if this is 0; otherwise
//   rdx  the word to write first, each next one the last times r13 plus r14
// Then a system call, with the number of the first word that was wrong in rax, or 512.
  .global user_touch
user_touch:
  xor %ecx, %ecx
1:
  cmp %rsi, (%rdi, %rcx, 8)
  jne 3f
  imul %rbp, %rsi
  add %r12, %rsi
  inc %ecx
  cmp $512, %ecx
  jne 1b
  test %rbx, %rbx
  jz 3f
  xor %ecx, %ecx
2:
  mov %rdx, (%rdi, %rcx, 8)
  imul %r13, %rdx
  add %r14, %rdx
  inc %ecx
  cmp $512, %ecx
  jne 2b
3:
  mov %rcx, %rax
  syscall

// Counts in the first word of the page at rdi, with pauses of changing length, until its second word is not
// 0; then a system call.
  .global user_count
user_count:
  xor %eax, %eax
1:
  imul $1103515245, %eax, %eax
  add $12345, %eax
  mov %eax, %ecx
  shr $22, %ecx
2:
  sub $1, %ecx
  jns 2b
  incq (%rdi)
  cmpq $0, 8(%rdi)
  je 1b
  syscall
  .balign 4096
