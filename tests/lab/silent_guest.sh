# A guest that is no kernel: GRUB, which publishes no p2m and does not look at xenstore. It is never asked to suspend:
# saving and migrating it ends at once, with a sentence, and it goes on as if nobody had asked.
name=grub
. "$LAB_TESTS/lib.sh"
export LIBXL_SAVE_HELPER=/usr/local/bin/ferry-save-helper

cat >$work/$name.cfg <<CFG
name = "$name"
type = "pv"
kernel = "/lab/guest/grub"
memory = 64
vcpus = 1
CFG
greets() { grep -q 'GRUB' "$(guest_log $name)"; }
cpu_seconds() { xl list $name | awk 'NR == 2 { print $6 }'; }
uses_cpu() { [ "$(cpu_seconds)" != "$1" ]; }
# It polls its console for keys, so that its CPU time grows as long as it runs.
goes_on() {
  only $name && has_state $name '[r-][b-]----' && within 20 uses_cpu "$(cpu_seconds)" && within 20 no_lock_held
}
# gives_up STATUS TEXT COMMAND…: fails_with, of a command that waits for the guest: Xen's toolstack does for a minute.
gives_up() {
  local want=$1 text=$2 status
  shift 2
  timeout 200 "$@" >$work/command.log 2>&1
  status=$?
  cat $work/command.log
  case $want in
    any) [ $status -ne 0 ] && [ $status -ne 124 ] ;;
    *) [ $status -eq "$want" ] ;;
  esac || { echo "status $status, expected $want"; return 1; }
  grep -qE "$text" $work/command.log || { echo "no output matches: $text"; return 1; }
}
tell() { note "it says: $(tail -n 1 $work/command.log)"; }

check "GRUB starts as a guest" xl create -q $work/$name.cfg
check "it greets" within 60 greets
check "it goes on" goes_on
check "ferry check notes that it does not say it can suspend" sh -c "ferry check $name | grep feature-suspend"

from=$(seconds)
check "ferry save gives up" gives_up 1 "p2m cannot be read: max_pfn is 0" ferry save $name $work/image
note "after $(($(seconds) - from)) s"
tell
check "no file is left" [ -z "$(ls $work | grep image)" ]
check "it goes on after ferry save" goes_on

from=$(seconds)
check "xl save with ferry's helper gives up" gives_up any "p2m cannot be read: max_pfn is 0" xl save $name $work/xl.image
note "after $(($(seconds) - from)) s"
tell
check "it goes on after xl save" goes_on

from=$(seconds)
check "ferry migrate gives up" gives_up 1 "grub runs on here" \
  ferry migrate $name --via 'ferry receive --stdio'
note "after $(($(seconds) - from)) s"
tell
check "no other copy is left" within 20 only $name
check "it goes on after ferry migrate" goes_on
check "no job is open" [ "$(ferry job list | wc -l)" = 1 ]
xl destroy $name
end_of_checks
