# soak.sh SECONDS [SEED]: two guests, a Linux and one with our own kernel (kernel/), are saved, restored, migrated, and
# all of that is cancelled and killed, for so long, by ferry and by xl with ferry's helper. After each cycle both run,
# once, where they were, with all of their memory right; what piles up in dom0 meanwhile is told.
# tools/lab --timeout … --with build/release/guests/ferry_kernel tests/lab/soak.sh 3600
seconds=${1:-600} seed=${2:-1}
. "$LAB_TESTS/lib.sh"
. "$LAB_TESTS/kernel_lib.sh"
export LIBXL_SAVE_HELPER=/usr/local/bin/ferry-save-helper
export FERRY_MAX_DOWNTIME=2500 FERRY_MAX_ROUNDS=3 FERRY_LEVEL=1 WORKLOAD_MIB=8
via='ferry receive --stdio'
guests="penguin kernel"
# "ssh" to this very host.
printf '#!/bin/sh\nshift\nexec "$@"\n' >$work/here
chmod 755 $work/here

# A guest that comes has its console under the name that it had while it came.
guest_log() { ls -t /var/log/xen/console/guest-"$1".log /var/log/xen/console/guest-"$1"--incoming.log 2>/dev/null | head -n 1; }

# pick FROM…: one of them, by the seed.
pick() {
  seed=$(((seed * 1103515245 + 12345) % 2147483648))
  shift $((seed / 65536 % $#))
  picked=$1
}

# What is done with the guest $name -----------------------------------------------------------------------

image=$work/image
save_and_restore() { ferry save $name $image && ferry restore $image; }
keep() { ferry save --keep $name $image; }
keep_live() { ferry save --live --keep $name $image; }
save_and_restore_by_xl() { xl save $name $image && xl restore $image; }
checkpoint_by_xl() { xl save -c $name $image; }
migrate() { ferry migrate $name --via "$via"; }
migrate_by_xl() { xl migrate -s $work/here $name localhost; }
# there PATTERN: a process that matches comes, as a part of the job. A small guest may be saved between two looks: then
# nobody waits for it.
there() { within 30 comes_or_ends "$1" && ! has_ended "$job"; }
comes_or_ends() { is_running "$1" || has_ended "$job"; }
sends() { there '[^ ]*ferry-save-helper --save'; }
# Too late is well, too.
cancel() {
  in_background ferry migrate --bandwidth 2 $name --via "$via"
  ! sends || ferry job cancel $name
  ends 60
}
interrupt() {
  in_background ferry save --live $name $image
  ! sends || kill -INT -"$job"
  ends 60
}
kill_engine() { kill_in '[^ ]*ferry-save-helper --save' "ferry save $name $image"; }
kill_ferry() { kill_in '[^ ]*ferry-host save' "ferry save $name $image"; }
kill_source() { kill_in '[^ ]*ferry-host migrate' "ferry migrate $name --via '$via'"; }
kill_receiver() { kill_in '[^ ]*ferry-host receive' "ferry migrate $name --via '$via'"; }
kill_helper_of_xl() { kill_in '[^ ]*ferry-save-helper' "xl save $name $image"; }
# kill_in PATTERN COMMAND: what matches is killed at some moment of the command's.
kill_in() {
  in_background sh -c "$2"
  if there "$1"; then
    pick 0 100000 300000 700000 1500000 3000000
    usleep $picked
    kill -KILL $(processes "$1") 2>/dev/null
  fi
  ends 90
}

# put_right: what an operator does afterwards, who knows the documents only.
put_right() {
  local one
  for one in $(ferry job list | grep -oE '^[0-9a-f]{32}' | sort -u); do ferry job resume $one; done
  case $(state $name) in
    '???s??') ferry resume $name ;;
    '') restore_whole_image ;;
  esac
}
restore_whole_image() {
  [ -s $image ] || return 1
  if head -c 32 $image | grep -q '^Xen saved domain'; then xl restore $image; else ferry restore $image; fi
}
is_alone() { only $guests && [ -z "$(ferry job list | grep -E '^[0-9a-f]{32}')" ]; }

cycle() { # OPERATION
  rm -f $image
  $1
  within 5 is_alone >/dev/null && not has_state $name '???s??' >/dev/null || put_right
  within 60 is_alone && runs $name 1
}

# What there is in dom0 that may pile up.
piled_up() {
  printf '%s MiB available, %s descriptors, %s processes, %s nodes in the store, %s files of ferry\n' \
    "$(awk '/^MemAvailable/ { printf "%d", $2 / 1024 }' /proc/meminfo)" \
    "$(cut -f 1 /proc/sys/fs/file-nr)" "$(ls -d /proc/[0-9]* | wc -l)" "$(xenstore-ls / | wc -l)" \
    "$(find /run/ferry /var/lib/ferry -type f 2>/dev/null | wc -l)"
}
number() { echo "$1" | sed "s/.* \([0-9]*\) $2.*/\1/"; }
# growth WHAT: from what was there after some cycles to what there is now, with its sign.
growth() { printf '%+d %s' $(($(number " $last" "$1") - $(number " $first" "$1"))) "$1"; }
grows_by_at_most() { # MOST WHAT
  local before after
  before=$(number " $first" "$2") after=$(number " $last" "$2")
  [ $((after - before)) -le "$1" ] || { echo "$before $2 have become $after"; return 1; }
}

start_anew() {
  destroy_all
  start_guest penguin 2 96 && start_kernel kernel 2 48 "p2m=list"
}

check "a Linux and our own kernel start" start_anew
for name in $guests; do check "$name works" within 60 runs $name; done

started=$(seconds) cycles=0 first= failed=0
until=$((started + seconds))
while [ "$(seconds)" -lt $until ]; do
  # A cycle of our own kernel takes a part of what one of the Linux takes.
  pick kernel kernel penguin
  name=$picked
  pick save_and_restore keep keep_live save_and_restore_by_xl checkpoint_by_xl migrate migrate_by_xl cancel interrupt \
    kill_engine kill_ferry kill_source kill_receiver kill_helper_of_xl
  cycles=$((cycles + 1))
  since=$(seconds)
  check "cycle $cycles: $name: $picked" cycle $picked || { failed=$((failed + 1)); start_anew; }
  [ $(($(seconds) - since)) -le 60 ] || note "it took $(($(seconds) - since)) s"
  [ $((cycles % 20)) != 10 ] || { last=$(piled_up); first=${first:-$last} first_at=${first_at:-$cycles}; note "after $cycles cycles: $last"; }
done
last=$(piled_up) first=${first:-$last}
took=$(($(seconds) - started))
note "$cycles cycles in $took s, $(awk -v n=$cycles -v s=$took 'BEGIN { printf "%.1f", 60 * n / s }') a minute; $failed failed"
note "at the end: $last"
note "since cycle ${first_at:-$cycles}: $(growth 'MiB available'), $(growth descriptors), $(growth 'nodes in the store')"
check "descriptors do not pile up" grows_by_at_most 100 descriptors
check "processes do not pile up" grows_by_at_most 6 processes
check "nodes in the store do not pile up" grows_by_at_most 60 "nodes in the store"
for name in $guests; do check "$name still works" runs $name; done
end_of_checks
