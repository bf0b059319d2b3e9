# pvh_kernel.sh: our own kernel (kernel/pvh.cpp) under hardware-assisted paging: what xen_hvm_init_mmu_ops() finds on a Xen
# without shadow paging, what is RAM for it, and that its memory comes through a save, by Xen's own helper alone and by
# ferry's, which hands it to that.
# tools/lab --release trixie --with build/release/guests/ferry_kernel tests/lab/pvh_kernel.sh
name=pvhk
. "$LAB_TESTS/lib.sh"
. "$LAB_TESTS/kernel_lib.sh"
KERNEL_TYPE=pvh

# In its default mode Xen intercepts RDTSCP, and cannot tell that instruction's length on this emulated CPU.
check "the kernel starts as a PVH guest" start_kernel $name 1 64 "" 'tsc_mode = "native"'
check "it works" within 60 runs $name
check "the question about dying page tables is refused, and no hook installed" says $name "die are of no interest"
check "memory is RAM" says $name "pvh: memory is RAM"
check "so is its first page" says $name "the first page is RAM"
check "a ballooned page is not" says $name "ballooned memory is no RAM"
check "nor is what there never was" says $name "no memory is no RAM"

# there_and_back WHO: a save and a restore by xl with the helper in LIBXL_SAVE_HELPER.
there_and_back() {
  local tick
  tick=$(tick_number $name)
  check "$1: xl save" xl save $name $work/"$1".img || return
  check "$1: the file holds Xen's own stream" holds_stream_of_xen $work/"$1".img
  check "$1: xl restore" xl restore $work/"$1".img || return
  check "$1: its memory is right" runs $name
  check "$1: it goes on where it was" continued $name "$tick"
}
LIBXL_SAVE_HELPER=$stock_helper
export LIBXL_SAVE_HELPER
there_and_back stock
LIBXL_SAVE_HELPER=/usr/local/bin/ferry-save-helper
there_and_back ferry
check "ferry save says that it is for PV guests" fails_with 1 'HVM or PVH' ferry save $name $work/own.ferry
check "the guest runs on after that" runs $name
note "$(last_tick $name)"
xl destroy $name
check "no domain is left" within 20 only
end_of_checks
