# What was going on in a guest: ferry dmesg, and the log that makedumpfile finds in the core, are what the guest's own
# dmesg printed before it was saved; ferry ps lists the processes that it had; ferry find and ferry diff find what it
# said, and what changed.
. "$LAB_TESTS/lib.sh"

# The guest's file system, and a program that says its log on the console while nobody else says anything.
telling_initrd() {
  mkdir -p $work/over/etc
  cat >$work/over/etc/inittab <<'TAB'
::sysinit:/etc/rc
::once:/etc/rc workload
::once:/etc/tell
TAB
  cat >$work/over/etc/tell <<'TELL'
#!/bin/sh
export PATH=/bin:/sbin
sleep 2
printf '<3>evidence: \033[31mred\033[0m and a\ttab' >/dev/kmsg
printf '<4>evidence: two\nlines' >/dev/kmsg
exec </dev/null >/dev/hvc0 2>&1
killall -STOP workload
sleep 1
echo "@@dmesg"
dmesg -r
echo "@@processes"
# Not those that come and go.
for process in /proc/[0-9]*; do cat $process/stat 2>/dev/null; done | grep -v kworker | awk -v self=$$ '$4 <= 2 && $1 != self { print $1, $4 }'
echo "@@end"
killall -CONT workload
TELL
  chmod 755 $work/over/etc/tell
  (cd $work/over && find . | cpio -o -H newc) >$work/over.cpio 2>/dev/null
  cat /lab/guest/initrd $work/over.cpio >$work/initrd
}
start_telling() {
  telling_initrd
  guest_config "$@" | sed "s|/lab/guest/initrd|$work/initrd|" >$work/"$1".cfg
  xl create -q $work/"$1".cfg
}
told() { log_since web 0 | grep -q '^@@end'; }
# What the guest said, its escapes as ferry prints them.
guests_log() { log_since web 0 | sed -n '/^@@dmesg/,/^@@processes/p' | sed '1d;$d' | sed "s/$(printf '\033')/\\\\x1b/g"; }
guests_processes() { log_since web 0 | sed -n '/^@@processes/,/^@@end/p' | sed '1d;$d'; }
# all_in WANTED FILE: all lines of WANTED are in FILE.
all_in() { ! grep -vxFf "$2" "$1" && [ "$(wc -l <"$1")" -gt 20 ]; }
differ() { ferry diff "$@" | head -n 1 | grep -q ' pages are not the same$'; }
same() { ferry diff "$@" | head -n 1 | grep -q ': the same$'; }
# begins_with WANTED FILE: what came later is in FILE too.
begins_with() { head -n "$(wc -l <"$1")" "$2" | diff "$1" - && [ "$(wc -l <"$1")" -gt 100 ]; }
has() { grep -q "$@"; }
# cmp would take minutes here.
from_pipe() { [ "$(ferry core $work/web.ferry - | md5sum)" = "$(md5sum <$work/web.core)" ]; }

check "a guest with 2 vCPUs starts" start_telling web 2 128
check "it says its log" within 60 told
check "the guest counts" runs web
guests_log >$work/guest.log
guests_processes >$work/guest.processes
check "ferry save" ferry save --keep web $work/web.ferry
check "ferry dmesg" ferry dmesg --raw $work/web.ferry
cp $work/check.log $work/ferry.log
check "it is what the guest said" begins_with $work/guest.log $work/ferry.log
check "and what the kernel said later, up to the save" has 'suspending xenstore' $work/ferry.log
check "ferry core" ferry core $work/web.ferry $work/web.core
cp $work/check.log $work/core.said
check "it has the kernel's VMCOREINFO, and hides xen_start_info" has 'xen_start_info, at 0xffffffff' $work/core.said
check "the core is its owner's alone" [ "$(mode_of $work/web.core)" = 600 ]
check "a pipe gets the same" from_pipe
check "ferry ps" ferry ps $work/web.ferry
cp $work/check.log $work/ferry.ps
awk 'NR > 1 { print $1, $2 }' $work/ferry.ps >$work/ferry.processes
check "it lists the processes that the guest had" all_in $work/guest.processes $work/ferry.processes
check "with their names" has ' \[kthreadd\]$' $work/ferry.ps
check "ferry find" ferry find --as regex $work/web.ferry 'evidence: two.lines'
cp $work/check.log $work/found
check "it finds what is in the log" has '^pfn 0x.*evidence: two.lines' $work/found
if command -v makedumpfile >/dev/null; then
  check "makedumpfile takes the core" makedumpfile --dump-dmesg -f $work/web.core $work/core.log
  # It has the time only before the first line of several.
  ferry dmesg $work/web.ferry | grep -v ' lines$' >$work/ferry.dmesg
  grep -v ' lines$' $work/core.log >$work/core.dmesg
  check "and finds the same log in it" cmp $work/ferry.dmesg $work/core.dmesg
  check "makedumpfile leaves out pages that nobody needs" makedumpfile -c -d 31 $work/web.core $work/web.kdump
fi
check "the guest goes on" runs web
check "ferry save once more" ferry save --keep web $work/later.ferry
check "ferry diff shows what changed" differ $work/web.ferry $work/later.ferry
check "nothing is different from itself" same $work/later.ferry $work/later.ferry
cp $work/guest.log $work/ferry.log $OUT
end_of_checks
