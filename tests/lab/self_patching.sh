# The lab itself: a guest with 2 vCPUs whose kernel patches its own code all the time lives on, also where it is saved
# and restored by the stock toolstack meanwhile. QEMU before 8.1 kills it within seconds: while it translates an
# instruction, another CPU may patch that away. tools/lab --release trixie tests/lab/self_patching.sh
name=patcher
. "$LAB_TESTS/lib.sh"

# What the guest runs instead of its workload: a branch of the scheduler is switched by patching it, and both CPUs schedule.
layer=$work/layer
mkdir -p $layer/etc
cat >$layer/etc/rc <<'RC'
#!/bin/sh
export PATH=/bin:/sbin
case ${1-} in
  workload)
    exec </dev/null >/dev/hvc0 2>&1
    for forking in 1 2; do
      while :; do (:); done &
    done
    patched=0
    while :; do
      echo 1 >/proc/sys/kernel/sched_schedstats && echo 0 >/proc/sys/kernel/sched_schedstats || exit
      patched=$((patched + 2))
      [ $((patched % 50)) != 0 ] || echo "patched $patched"
    done
    ;;
  disk) exit ;;
esac
mount -t proc proc /proc
mount -t devtmpfs dev /dev
RC
chmod 755 $layer/etc/rc
(cd $layer && find . | cpio -o -H newc 2>/dev/null) | cat /lab/guest/initrd - >$work/initrd

starts() {
  guest_config $name 2 96 | sed "s,^ramdisk.*,ramdisk = \"$work/initrd\"," >$work/$name.cfg
  xl create -q $work/$name.cfg
}
patched() { log_since $name 0 | sed -n 's/^patched \([0-9]*\)$/\1/p' | tail -n 1; }
has_died() { grep -E 'Oops|Kernel panic|BUG:' "$(guest_log $name)"; }
has_patched() { [ "$(patched)" -ge "$1" ] 2>/dev/null || has_died; }
# patches TIMES: so many more.
patches() {
  local from
  from=$(patched)
  within 90 has_patched $((${from:-0} + $1)) || { tail -n 5 "$(guest_log $name)"; return 1; }
  ! has_died
}

check "a guest with 2 vCPUs starts" starts
check "its kernel patches itself 200 times and lives" patches 200 || { end_of_checks; exit 1; }
for cycle in 1 2 3; do
  check "cycle $cycle: xl save" xl save $name $work/image
  check "cycle $cycle: xl restore" xl restore $work/image
  check "cycle $cycle: its kernel patches itself 100 times and lives" patches 100 || break
done
end_of_checks
