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
tell() { note "it says: $(tail -n 1 $work/command.log)"; }

check "GRUB starts as a guest" xl create -q $work/$name.cfg
check "it greets" within 60 greets
check "it goes on" goes_on
check "ferry check notes that it does not say it can suspend" sh -c "ferry check $name | grep feature-suspend"

check "ferry save is refused" fails_with 1 "p2m cannot be read: max_pfn is 0" ferry save $name $work/image
tell
check "no file is left" [ -z "$(ls $work | grep image)" ]
check "it goes on after ferry save" goes_on

check "xl save with ferry's helper is refused" fails_with 1 "p2m cannot be read: max_pfn is 0" xl save $name $work/xl.image
tell
check "it goes on after xl save" goes_on

check "ferry migrate is refused" fails_with 1 "p2m cannot be read: max_pfn is 0.*grub runs on here" \
  ferry migrate $name --via 'ferry receive --stdio'
tell
check "no other copy is left" within 20 only $name
check "it goes on after ferry migrate" goes_on
check "no job is open" [ "$(ferry job list | wc -l)" = 1 ]
xl destroy $name
end_of_checks
