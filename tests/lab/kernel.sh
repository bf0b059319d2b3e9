# kernel.sh [CYCLES]: our own PV kernel (kernel/) on real Xen, with 1 and 4 vCPUs and a p2m of either form: boots, works,
# is saved and restored by stock xl and by ferry CYCLES (2) times each, and by both with the suspend cancelled. It
# judges all of its memory all the time.
# tools/lab --with build/release/guests/ferry_kernel tests/lab/kernel.sh
cycles=${1-2}
. "$LAB_TESTS/lib.sh"

# start_kernel NAME VCPUS MIB WORDS [EXTRA_CONFIG_LINE…]: a guest with our kernel, and words for its command line.
start_kernel() {
  local name=$1 vcpus=$2 mib=$3 words=$4
  shift 4
  {
    printf 'name = "%s"\ntype = "pv"\nkernel = "/usr/local/bin/ferry_kernel"\n' "$name"
    printf 'memory = %s\nvcpus = %s\nextra = "%s"\non_crash = "preserve"\n' "$mib" "$vcpus" "$words"
    [ $# -eq 0 ] || printf '%s\n' "$@"
  } >$work/"$name".cfg
  xl create -q $work/"$name".cfg
}
says() { grep -qE "$2" "$(guest_log "$1")"; }

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

for form in list tree; do
  for vcpus in 1 4; do
    name=$form$vcpus
    check "$name: the kernel starts" start_kernel $name $vcpus 64 "p2m=$form" "maxmem = 96" || continue
    check "$name: it works" within 60 runs $name
    check "$name: the guest half has taken over" says $name "p2m is a $form"
    for n in $(seq "$cycles"); do
      cycle $name $n "xl save" "xl restore"
      cycle $name $n "ferry save" "ferry restore"
    done
    check "$name: ferry finds nothing wrong in its image" ferry audit $work/$name.save
    cancelled $name xl save -c
    cancelled $name ferry save --keep
    check "$name: it powers off when asked" xl shutdown -w $name
    note "$(last_tick $name)"
  done
done
check "no domain is left" within 20 only
end_of_checks
