# Unmodified xl with LIBXL_SAVE_HELPER=ferry-save-helper: three cycles of save and restore, checkpoints, sizes.
. "$LAB_TESTS/lib.sh"
export LIBXL_SAVE_HELPER=/usr/local/bin/ferry-save-helper

is_ferry_image() { ferry inspect "$1" && ! holds_stream_of_xen "$1"; }

cycle() { # NAME N
  local name=$1 image=$work/$1.img tick
  tick=$(tick_number "$name")
  check "$name: xl save, cycle $2" xl save "$name" "$image" || return
  check "$name: the saved guest is gone" gone "$name"
  [ $2 -ne 3 ] || check "$name: the file audits clean" ferry audit "$image"
  check "$name: xl restore, cycle $2" xl restore "$image" || return
  check "$name: counts, memory and page tables intact, cycle $2" runs "$name"
  check "$name: goes on where it was, cycle $2" continued "$name" "$tick"
}

for vcpus in 1 2; do
  name=vcpus$vcpus
  check "a guest with $vcpus vCPU starts" start_guest $name $vcpus 128
  check "$name: counts" runs $name
  for n in 1 2 3; do cycle $name $n; done
  [ $vcpus -eq 2 ] || xl destroy $name
done

# The same guest saved by both engines within a moment.
check "checkpoint by the stock helper" env LIBXL_SAVE_HELPER=$stock_helper xl save -c vcpus2 $work/xl.img
check "a checkpointed guest runs on" runs vcpus2
check "that checkpoint is a stream of Xen's own" holds_stream_of_xen $work/xl.img
check "checkpoint by ferry" xl save -c vcpus2 $work/ferry.img
check "ferry's checkpointed guest runs on" runs vcpus2
check "the checkpoint is a ferry image" is_ferry_image $work/ferry.img
xl_size=$(size_of $work/xl.img)
ferry_size=$(size_of $work/ferry.img)
zstd_size=$(zstd -q -1 -c $work/xl.img | wc -c)
note "sizes: xl $xl_size, zstd -1 of xl's $zstd_size, ferry $ferry_size bytes"
check "ferry's file is no larger than zstd -1 of xl's own" [ "$ferry_size" -le "$zstd_size" ]

check "xl save -p leaves the guest paused" xl save -p vcpus2 $work/paused.img
check "the guest is paused" has_state vcpus2 '??p*'
xl unpause vcpus2
check "an unpaused guest runs on" runs vcpus2

# The checkpoint is as good as a save: restore it after the guest itself is gone.
xl destroy vcpus2
check "a stock file restores through the stock helper that ours starts" xl restore $work/xl.img
check "the guest of the stock file counts" runs vcpus2
xl destroy vcpus2
check "ferry's checkpoint restores paused" xl restore -p $work/ferry.img
check "the restored guest waits" has_state vcpus2 '??p*'
xl unpause vcpus2
check "the guest of the checkpoint counts" runs vcpus2
check "xl restore reads ferry's stream from a pipe" sh -c "
  xl destroy vcpus2; mkfifo $work/pipe; cat $work/ferry.img >$work/pipe & xl restore $work/pipe"
check "the guest from the pipe counts" runs vcpus2
check "the guest reboots on request" xl reboot vcpus2
check "the guest has booted again" within 60 booted vcpus2 2
check "the guest shuts down on request" xl shutdown -w vcpus2
check "no domain is left" within 20 only
check "no lock is held" no_lock_held
end_of_checks
