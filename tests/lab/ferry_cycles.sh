# ferry save and ferry restore: three cycles with 1 and 2 vCPUs, their options, reboot and shutdown afterwards.
. "$LAB_TESTS/lib.sh"

cycle() { # NAME N
  local name=$1 image=$work/$1.ferry tick
  tick=$(tick_number "$name")
  check "$name: ferry save with $2 threads" ferry save --threads $2 "$name" "$image" || return
  check "$name: the saved guest is gone" gone "$name"
  check "$name: the image is its owner's alone" [ "$(mode_of "$image")" = 600 ]
  [ $2 -ne 3 ] || check "$name: the image audits clean" ferry audit "$image"
  check "$name: ferry restore, cycle $2" ferry restore "$image" || return
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

check "ferry save --keep" ferry save --keep vcpus2 $work/keep.ferry
check "the kept guest runs on" runs vcpus2
check "an image of a guest that still runs is not restored" \
  fails_with 1 'force' ferry restore $work/keep.ferry
check "only the guest itself is there" only vcpus2
check "ferry save --pause" ferry save --pause vcpus2 $work/pause.ferry
check "the guest is paused" has_state vcpus2 '??p*'
xl unpause vcpus2
check "the unpaused guest runs on" runs vcpus2
xl pause vcpus2
tick=$(tick_number vcpus2)
check "a paused guest is saved" ferry save --keep vcpus2 $work/paused.ferry
check "it is paused as before" has_state vcpus2 '??p--?'
check "it ran for that moment only" [ "$(tick_number vcpus2)" -le $((tick + 3)) ]
check "it is saved again, and goes" ferry save vcpus2 $work/paused.ferry
check "ferry restore of a guest that was paused" ferry restore $work/paused.ferry
check "it is paused" has_state vcpus2 '??p---'
check "one that has not run here yet is refused" fails_with 1 'has not run here' ferry save vcpus2 $work/paused.again
xl unpause vcpus2
check "it runs on, unpaused once" runs vcpus2
xl pause vcpus2
check "ferry migrate of a paused guest" ferry migrate vcpus2 --via 'ferry receive --stdio'
check "it is paused there" has_state vcpus2 '??p---'
check "nothing else of it is here" only vcpus2
xl destroy vcpus2
check "it is restored once more" ferry restore $work/paused.ferry
xl unpause vcpus2
check "it runs on, unpaused once" runs vcpus2
check "a guest is saved by its id" ferry save --keep "$(xl domid vcpus2)" $work/keep.ferry
check "a guest is saved to a pipe" sh -o pipefail -c "ferry save --keep vcpus2 - | cat >$work/piped.ferry"
check "the piped image audits clean" ferry audit $work/piped.ferry
check "inspect tells about it in JSON" sh -c "ferry inspect --json $work/piped.ferry | grep -q '\"vcpus\"'"

check "ferry restore --force --name twin makes a second guest" \
  ferry restore --force --name twin $work/piped.ferry
check "the twin counts" runs twin
check "the original counts too" runs vcpus2
xl destroy twin
xl destroy vcpus2
check "ferry restore --paused" ferry restore --paused $work/keep.ferry
check "the restored guest waits" has_state vcpus2 '??p*'
xl unpause vcpus2
check "the unpaused guest counts" runs vcpus2
boots=$(boots_of vcpus2)
check "the restored guest reboots on request" xl reboot vcpus2
check "it boots again" within 60 booted vcpus2 $((boots + 1))
check "the rebooted guest counts" runs vcpus2
check "the rebooted guest shuts down on request" xl shutdown -w vcpus2
check "no domain is left" within 20 only
check "no lock is held" no_lock_held
check "no state file is left but what tells of jobs" [ -z "$(ls /run/ferry | grep -vE '\.lock$|^job-[0-9a-f]{32}\.(given-away|let-run)$')" ]
check "no temporary file is left" [ -z "$(ls -A $work | grep -vE '\.(ferry|cfg|log)$')" ]
end_of_checks
