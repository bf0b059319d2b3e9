# ferry evacuate: five guests to the other host, one of which cannot go because its name is taken there, and then it
# too; back to a host that has room for some of them; and both hosts emptied towards each other. Each guest counts on
# on one host alone. tools/lab --two tests/lab/evacuate.sh
# On a busy machine four guests are long on their way.
check_seconds=900
. "$LAB_TESTS/lib.sh"
. "$LAB_TESTS/two_hosts_lib.sh"
export FERRY_MAX_ROUNDS=1
use_one_certificate
guests="g1 g2 g3 g4 g5"
# Five at a time are enough work without much of their own.
export WORKLOAD_MIB=1 WORKLOAD_WORKERS=0
# It is dom0 that moves them.
xl sched-credit2 -d Domain-0 -w 2048

second_host_serves

has() { xl list | awk 'NR > 1 { print $1 }' | grep -qx "$1"; }
# where NAME: on which hosts there is a domain of that name, or one of its other names.
where() {
  local found=
  for other in "$1" "$1--incoming" "$1--migratedaway"; do
    ! has $other || found="$found here"
    ! there "xl list $other >/dev/null 2>&1" >/dev/null || found="$found there"
  done
  echo $found
}
# counts_on NAME HOST: it is on that host alone (here, there), and goes on with its memory intact.
counts_on() {
  [ "$(where "$1")" = "$2" ] || { echo "$1 is: $(where "$1"); expected: $2"; return 1; }
  case $2 in here) runs "$1" ;; there) there runs "$1" ;; esac
}
counts_once() { case $(where "$1") in here) runs "$1" ;; there) there runs "$1" ;; *) where "$1"; return 1 ;; esac; }
note_table() { sed -n '/^Guest /,$p' $work/command.log | sed 's/^/#   /'; }
# ends_with_status STATUS TEXT COMMAND…: fails_with, of a command that may take minutes.
ends_with_status() {
  local want=$1 text=$2 status
  shift 2
  "$@" >$work/command.log 2>&1
  status=$?
  cat $work/command.log
  [ $status -eq "$want" ] || { echo "status $status, expected $want"; return 1; }
  grep -qE "$text" $work/command.log || { echo "no output matches: $text"; return 1; }
}

make_one_certificate
check "the second host answers" there take_certificate
for name in $guests; do
  check "$name starts" start_guest $name 1 128
  check "$name counts" runs $name 2
done
check "a guest of the name g2 starts there" there start_guest g2 1 128
check "a receiver listens there" there receive
check "a receiver listens here" receive

check "only asked: four can go, g2 cannot" ends_with_status 1 'g2 .*cannot go' ferry evacuate --to host2.lab --dry-run
note_table
check "nothing has moved" [ "$(where g1) $(where g5)" = "here here" ]
check "four guests go, g2 stays" ends_with_status 1 '1 guest is still here: g2' ferry evacuate --to host2.lab
note_table
for name in g1 g3 g4 g5; do check "$name counts on there" counts_on $name there; done
check "g2 counts on here" runs g2
check "no job is open here" no_open_job
check "no job is open there" there no_open_job

check "the other g2 is destroyed" there xl destroy g2
check "g2 goes too" ends_with_status 0 'g2 .*moved' ferry evacuate --to host2.lab
note_table
check "g2 counts on there" counts_on g2 there
check "this host is empty" within 20 only

# Back to a host that has room for two and a half.
free=$(xl info free_memory)
check "something large takes the memory here" start_guest filler 1 $((free - 128 * 2 - 80))
note "$(xl info free_memory) MiB of memory are left here"
check "some go back, the others stay there" ends_with_status 1 'of free memory' \
  there ferry evacuate --to host1.lab --parallel 3
note_table
for name in $guests; do check "$name counts on, once" counts_once $name; done
here=$(xl list | grep -c '^g')
check "some are here ($here), some are there" [ "$here" -ge 1 -a "$here" -le 2 ]
check "no job is open here after that" no_open_job
check "no job is open there after that" there no_open_job

# Both at once: each refuses the other's guests as long as it is being emptied itself.
xl destroy filler
order "ferry evacuate --to host1.lab >\$work/evacuate.log 2>&1"
theirs_at=$(($(cat $work/orders) - 1))
ferry evacuate --to host2.lab --except Domain-0 >$work/command.log 2>&1
note "here: status $?"
note_table
their_end() { [ -e $COMMON/status.$theirs_at ]; }
check "both end" within 240 their_end
note "there: status $(cat $COMMON/status.$theirs_at)"
for name in $guests; do check "$name counts on, once, after both" counts_once $name; done
check "no job is open here in the end" no_open_job
check "no job is open there in the end" there no_open_job
check "no lock is held here" within 20 no_lock_held
check "no lock is held there" there within 20 no_lock_held
destroy_all
there destroy_all
for pid in receive; do
  kill "$(cat $work/$pid.pid)"
  there "kill \$(cat $work/$pid.pid)"
done
end_there
end_of_checks
