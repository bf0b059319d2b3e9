# What was going on in a guest: ferry dmesg, and the log that makedumpfile finds in the core, are what the guest's own
# dmesg printed before it was saved; ferry ps lists the processes that it had; ferry find and ferry diff find what it
# said, and what changed. The same of the guest while it runs, and while it is paused.
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
# sorted PS-OUTPUT: pid and parent of each.
pids_of() { awk 'NR > 1 { print $1, $2 }' "$1"; }
no_frozen_in() { ! awk 'NR > 1 { print $3 }' "$1" | grep -q F; }
has_not() { ! grep -q "$@"; }
nobody_lends() { ! pgrep -f 'ferry-host lend' >/dev/null; }
# cmp would take minutes here.
from_pipe() { [ "$(ferry core $work/web.ferry - | md5sum)" = "$(md5sum <$work/web.core)" ]; }

check "a guest with 2 vCPUs starts" start_telling web 2 128
check "it says its log" within 60 told
check "the guest counts" runs web
guests_log >$work/guest.log
guests_processes >$work/guest.processes

# While it runs -----------------------------------------------------------------------------------
check "ferry dmesg of the guest as it runs" ferry dmesg --raw web
cp $work/check.log $work/live.log
check "it is what the guest said" begins_with $work/guest.log $work/live.log
check "ferry ps of it" ferry ps web
cp $work/check.log $work/live.ps
pids_of $work/live.ps >$work/live.processes
check "it lists the processes that the guest has" all_in $work/guest.processes $work/live.processes
check "none of them is frozen" no_frozen_in $work/live.ps
check "ferry core of it" ferry core web $work/live.core
cp $work/check.log $work/live.said
check "it has the kernel's VMCOREINFO, and hides xen_start_info" has 'xen_start_info, at 0xffffffff' $work/live.said
check "it is said not to be of one moment" has 'web ran on meanwhile' $work/live.said
check "a core goes into a pipe, too" sh -c "ferry core web - 2>$work/piped.said >$work/piped.core && [ -s $work/piped.core ]"
check "and it is said of that, too" has 'web ran on meanwhile' $work/piped.said
check "the guest counts" runs web
check "xl pause" xl pause web
check "ferry core of the guest that is paused" ferry core web $work/paused.core
cp $work/check.log $work/paused.said
check "it is of one moment" has_not 'ran on meanwhile' $work/paused.said
check "the paused guest makes the same core again" sh -c "ferry core web - | cmp - $work/paused.core"
check "ferry dmesg of the guest that is paused" ferry dmesg --raw web
cp $work/check.log $work/paused.log
check "xl unpause" xl unpause web
check "the guest goes on" runs web
if command -v makedumpfile >/dev/null; then
  for core in live paused; do
    check "makedumpfile takes the $core core" makedumpfile --dump-dmesg -f $work/$core.core $work/$core.core.log
    ferry dmesg web | grep -v ' lines$' >$work/now.dmesg
    grep -v ' lines$' $work/$core.core.log >$work/$core.dmesg
    check "and finds the guest's log in it" begins_with $work/$core.dmesg $work/now.dmesg
  done
fi
rm -f $work/live.core $work/piped.core $work/paused.core
check "what is not there is said not to be" fails_with 1 'nor can a guest of that name be read' ferry dmesg nobody
check "domain 0 is not read" fails_with 1 'domain 0 is this host itself' ferry ps 0
(timeout -s KILL 1 ferry core web $work/killed.core >/dev/null 2>&1)
check "the guest goes on where who reads it is killed" runs web
check "nobody reads it any more" within 10 nobody_lends
check "no core is left of that" [ ! -e $work/killed.core ]

# Its image -----------------------------------------------------------------------------------------
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
pids_of $work/ferry.ps >$work/ferry.processes
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
check "ferry diff shows what the running guest has changed since" differ $work/later.ferry web
check "ferry find by virtual addresses" ferry find --virtual --limit 1 --as regex $work/web.ferry 'evidence: two.lines'
cp $work/check.log $work/found
check "it finds what is in the log, with its address" has '^0xffff[0-9a-f]* pfn 0x.*evidence: two.lines' $work/found
check "nothing is different from itself" same $work/later.ferry $work/later.ferry
cp $work/guest.log $work/ferry.log $OUT
end_of_checks
