# The other host stops once it has all of the guest, which is suspended then: within handover_timeout it runs on here.
# While the guest still runs, a host that does nothing for a minute is waited for.
name=waiter
. "$LAB_TESTS/lib.sh"
. "$LAB_TESTS/pause.sh"
. "$LAB_TESTS/two_hosts_lib.sh"
export FERRY_MAX_ROUNDS=1
limit=10
export FERRY_HANDOVER_TIMEOUT=$limit
# Suspending, sending what is left, and resuming are emulated too.
slack=20
use_one_certificate

# A receiver's helper, which does what $work/fault says once all of the guest is in its domain, and before libxl, the
# receiver and so the source hear of it.
make_faulty_helper() {
  printf '#!/bin/sh\n/usr/local/bin/ferry-save-helper "$@"\nstatus=$?\n. %s\nexit $status\n' $work/fault >$work/helper
  chmod 755 $work/helper
  : >$work/fault
}
receive_faultily() { make_faulty_helper && FERRY_SAVE_HELPER=$work/helper receive; }
# Over a command: its receiver stops itself.
port=8023
offer_silent_command() {
  make_faulty_helper
  echo "kill -STOP \$(cat $work/stopped)" >$work/fault
  printf '#!/bin/sh\necho $$ >%s\nFERRY_SAVE_HELPER=%s exec ferry receive --stdio 2>>%s\n' \
    $work/stopped $work/helper $work/receive.log >$work/silent
  chmod 755 $work/silent
  nc -ll -p $port -e $work/silent >/dev/null 2>&1 &
  echo $! >$work/nc.pid
  within 10 is_offered
}
is_offered() { netstat -ltn 2>/dev/null | grep -q ":$port "; }
clear_receiver() {
  kill -KILL $(receivers) $(processes '[^ ]*xl restore') $(processes '[^ ]*xl .*migrate-receive') $(cat $work/nc.pid 2>/dev/null)
  xl destroy $name--incoming
  rm -rf /var/lib/ferry/jobs
  within 20 only && within 20 not listens
}
receivers() { processes '[^ ]*ferry-host receive'; }

second_host_serves

longest_pause() { longest_gap "$1" <$work/ticks; }
# comes_back WHAT PATTERN COMMAND…: the migration fails in a sentence that matches, and the guest stood still for
# no longer than the limit, 2 s, and what emulation takes.
comes_back() {
  local what=$1 pattern=$2 tick pause
  shift 2
  tick=$(tick_number $name)
  check "$what: the migration fails" fails_in_time "$pattern" "$@" || theirs
  note "it says: $(tail -n 1 $work/command.log)"
  check "$what: the guest runs on here" runs $name
  check "$what: its disk goes on" writes $name
  pause=$(longest_pause "$tick")
  note "$what: longest pause between two ticks $pause ms, of which the limit is ${limit}000 ms"
  check "$what: the source took it back after the limit" [ "$pause" -ge ${limit}000 ]
  check "$what: and in time" [ "$pause" -le $(((limit + 2 + slack) * 1000)) ]
  check "$what: no job is open here" no_open_job
}
fails_in_time() {
  local pattern=$1 status
  shift
  timeout 200 "$@" >$work/command.log 2>&1
  status=$?
  cat $work/command.log
  [ $status -eq 1 ] && grep -qE "$pattern" $work/command.log
}

make_one_certificate
check "the second host answers" there take_certificate
watch_ticks $name
check "a guest with a disk starts" start_guest $name 1 128 "$(disk_line)" || { end_there; end_of_checks; exit 1; }
check "it counts" runs $name
check "a receiver listens there" there receive_faultily
silence="no progress for $limit s"

# A copy that the other host has whole and has heard nothing more of waits there, paused, until the next try.
there 'echo "kill -STOP \$(pidof ferry-host)" >$work/fault'
comes_back "a receiver that is stopped" "$silence" ferry migrate $name host2.lab
there 'kill -CONT $(receivers)'

there 'echo "ip link set eth0 down" >$work/fault'
comes_back "a cable that is cut" "$silence|link" ferry migrate $name host2.lab
there 'ip link set eth0 up'

there ': >$work/fault; cp /etc/xen/scripts/block $work/block
  printf "#!/bin/sh\nexec sleep 300\n" >/etc/xen/scripts/block'
comes_back "a hotplug script that hangs" "$silence" ferry migrate $name host2.lab
there 'cp $work/block /etc/xen/scripts/block'

# What hangs there goes on hanging, so it is ended by hand.
check "the other host is cleared" there clear_receiver

check "a command that goes silent listens there" there offer_silent_command
comes_back "a command that goes silent" "$silence" ferry migrate $name --via "nc host2.lab $port"
check "the other host is cleared of that too" there clear_receiver
check "a receiver listens there again" there receive_faultily

# A minute in which the receiver reads nothing, in the midst of the memory of a guest that runs.
sending() { is_running '[^ ]*ferry-save-helper --save' && sleep 3; }
there 'echo : >$work/fault'
FERRY_HANDOVER_TIMEOUT=120 FERRY_BANDWIDTH=4 ferry migrate $name host2.lab >$work/busy.log 2>&1 &
migrating=$!
check "one more migration begins" within 30 sending
there 'kill -STOP $(receivers)'
sleep 60
check "a minute later it still waits" not has_ended $migrating
check "and the guest runs here" runs $name
there 'kill -CONT $(receivers)'
check "then the migration ends" within 200 has_ended $migrating
wait $migrating
check "well" [ $? = 0 ]
note "it says: $(tail -n 1 $work/busy.log)"
check "the guest is gone here" within 20 only
check "it runs there" there runs $name
check "so does its disk" there writes $name
check "nothing else is left there" there only $name

there 'stop_receiving; xl destroy '$name
stop_watching
end_there
end_of_checks
