# kernel.sh [CYCLES [FORMVCPUS…]]: our own PV kernel (kernel/) on real Xen, with 1 and 4 vCPUs and a p2m of either form: boots, works,
# is saved and restored by stock xl and by ferry CYCLES (2) times each, by both with the suspend cancelled, live, and
# ballooned. It judges all of its memory all the time. Unless forms are named, also 20 cancelled suspends in a row, and
# its experiment with dirty bits.
# tools/lab --with build/release/guests/ferry_kernel tests/lab/kernel.sh
cycles=${1-2}
[ $# -eq 0 ] || shift
whole=
[ $# -gt 0 ] || { whole=1 && set -- list1 list4 tree1 tree4; }
. "$LAB_TESTS/lib.sh"
. "$LAB_TESTS/kernel_lib.sh"

# cycle NAME N SAVE RESTORE: one save and restore by these commands.
cycle() {
  local name=$1 what="$1: $3, cycle $2" tick
  tick=$(tick_number "$name")
  check "$what: saved" $3 "$name" $work/"$name".save || return
  check "$what: restored" $4 $work/"$name".save || return
  check "$what: all of its memory is right" runs "$name"
  check "$what: it goes on where it was" continued "$name" "$tick"
}
cancelled() { # NAME COMMAND…: a save after which the guest goes on
  local name=$1
  shift
  check "$name: $*, and it goes on" "$@" "$name" $work/"$name".save || return
  check "$name: all of its memory is right" runs "$name"
}

often_cancelled() { # NAME TIMES: again and again, by the two in turn
  local n command
  for n in $(seq "$2"); do
    command="xl save -c"
    [ $((n % 2)) -eq 0 ] || command="ferry save --keep"
    check "$1: suspend $n in a row is cancelled, by $command" $command "$1" $work/"$1".save
  done
  check "$1: it has counted them" within 20 says "$1" "^cancelled $2"
  check "$1: all of its memory is right after that" runs "$1"
}

has_mib() { [ "$(xl list "$1" | awk 'NR == 2 { print $3 }')" "$2" "$3" ]; }
ballooned() { # NAME: to a third and beyond what it had first, saved live meanwhile
  xl mem-set "$1" 22
  check "$1: saved live while it balloons" ferry save --live --keep "$1" $work/"$1".live
  check "$1: ballooned to a third" within 60 has_mib "$1" -le 23
  xl mem-set "$1" 90
  check "$1: and to more than it began with" within 60 has_mib "$1" -ge 89
  check "$1: all of its memory is right after that" runs "$1"
}
# Of the console's line about the race by $2: the number after the word $3.
raced() { log_since "$1" 0 | sed -n "s/^race by $2:.* $3 \([0-9]*\).*/\1/p"; }

for name in "$@"; do
  form=${name%[0-9]}
  vcpus=${name#"$form"}
  check "$name: the kernel starts" start_kernel $name $vcpus 64 "p2m=$form" "maxmem = 96" || continue
  check "$name: it works" within 60 runs $name
  check "$name: the guest half has taken over" says $name "p2m is a $form"
  for n in $(seq "$cycles"); do
    cycle $name $n "xl save" "xl restore"
    cycle $name $n "ferry save" "ferry restore"
  done
  check "$name: ferry finds nothing wrong in its image" ferry audit $work/$name.save
  [ -z "$whole" ] || [ "$name" != "$1" ] || often_cancelled $name 20
  cancelled $name xl save -c
  cancelled $name ferry save --keep
  cancelled $name ferry save --live --keep
  ballooned $name
  check "$name: every operation of the guest half was called in its early form" \
    within 60 says $name "early form, not called:, called"
  check "$name: and in its late form" within 60 says $name "late form, not called:, called"
  note "$(log_since $name 0 | grep '^forks=' | tail -n 1)"
  check "$name: it powers off when asked" xl shutdown -w $name
  # Up to Xen 4.19 nobody removes it then: xl's process that watched it has left at the cancelled suspend by stock xl.
  xl destroy $name 2>/dev/null
  note "$(last_tick $name)"
done
if [ -n "$whole" ]; then
  check "two vCPUs race for a dirty bit" start_kernel race 2 32 race
  check "the race ends" within 200 gone race
  note "$(log_since race 0 | grep '^race by')"
  check "changed by modify_prot, an entry loses no dirty bit" [ "$(raced race modify_prot lost)" -eq 0 ]
  check "though it was dirty often enough" [ "$(raced race modify_prot dirty)" -gt 100 ]
  check "read and written, it loses some" [ "$(raced race 'read and write' lost)" -gt 0 ]
fi
check "no domain is left" within 20 only
end_of_checks
