# A rolling upgrade, as docs/upgrade.md tells it: the first host is emptied of its running guests by `ferry evacuate` to
# a host of another release, and takes guests back from it; also by `ferry migrate`, and by `xl migrate` with ferry's
# helper on both. Images saved on the one are restored on the other.
# tools/lab --two --release bookworm,trixie tests/lab/upgrade.sh [GUESTS [evacuate]] (or any other two; so many guests, 2
# unless said otherwise, go there, two at a time, and the first two come back; with "evacuate" nothing else is done)
guests=${1:-2}
what=${2-everything}
# On a busy machine two guests are long on their way.
check_seconds=900
name=mover
. "$LAB_TESTS/lib.sh"
. "$LAB_TESTS/pause.sh"
. "$LAB_TESTS/two_hosts_lib.sh"
export LIBXL_SAVE_HELPER=/usr/local/bin/ferry-save-helper
export FERRY_MAX_ROUNDS=1
use_one_certificate
# It is dom0 that moves them.
xl sched-credit2 -d Domain-0 -w 2048

# What stands in for ssh: it brings xl's two streams to the other host, where xl's receiver is started for each caller.
xl_port=8022
printf '#!/bin/sh\nexec nc "$1" %s\n' $xl_port >$work/over_there
printf '#!/bin/sh\nexec xl migrate-receive 2>>%s\n' $work/xl_receive.log >$work/xl_receive
chmod +x $work/over_there $work/xl_receive
xl_receives() {
  nc -ll -p $xl_port -e $work/xl_receive >$work/nc.log 2>&1 &
  echo $! >$work/nc.pid
  within 10 xl_listens
}
xl_listens() { netstat -ltn 2>/dev/null | grep -q ":$xl_port "; }
says_system() { echo "Xen $(cat /sys/hypervisor/version/major).$(cat /sys/hypervisor/version/minor)$(cat /sys/hypervisor/version/extra), Linux $(uname -r)"; }
# The guest's console is where its name leads once it was restored under it.
was_restored() { rm -f /var/log/xen/console/guest-$1--incoming.log; }

# told COMMAND…: what a person who gives the command sees, is shown.
exec 3>&1
told() {
  local status host=host1
  [ "$1" != there ] || host=host2
  "$@" >$work/told.log 2>&1
  status=$?
  {
    [ $host = host1 ] || shift
    echo "# root@$host:~# $*"
    sed 's/^/#   /' $work/told.log
    [ $status -eq 0 ] || echo "#   (exit code $status)"
  } >&3
  cat $work/told.log
  return $status
}

second_host_serves

make_one_certificate
check "the second host answers" there take_certificate
note "here: $(says_system); there: $(there says_system)"
check "a receiver listens there" there receive
check "a receiver listens here" receive

# One guest, there and back.
one_guest() {
  start_mover
  check "ferry check: that host can take it" told ferry check $name host2.lab
  tick=$(tick_number $name)
  check "there: ferry migrate" told ferry migrate $name host2.lab
  arrived_there there "$tick"
  tell_pause there "$tick"
  check "ferry check there: this host can take it back" told there ferry check $name host1.lab
  tick=$(there tick_number $name)
  check "back: ferry migrate" told there ferry migrate $name host1.lab
  arrived_here back "$tick"
  tell_pause back "$tick"
  check "no job is open here" no_open_job
  check "no job is open there" there no_open_job
}
# The same by xl, with ferry's helper on both hosts.
one_guest_by_xl() {
  check "xl's receiver listens there" there xl_receives
  check "xl's receiver listens here" xl_receives
  tick=$(tick_number $name)
  check "by xl, there: xl migrate" xl migrate -s $work/over_there $name host2.lab
  arrived_there "by xl, there" "$tick"
  tell_pause "by xl, there" "$tick"
  tick=$(there tick_number $name)
  check "by xl, back: xl migrate" there xl migrate -s $work/over_there $name host1.lab
  arrived_here "by xl, back" "$tick"
  tell_pause "by xl, back" "$tick"
}
# What was saved here is restored there, and the other way round.
one_guest_in_images() {
  tick=$(tick_number $name)
  check "an image: ferry save here" told ferry save $name $work/here.ferry
  cp $work/here.ferry $COMMON/here.ferry
  check "an image: ferry audit there" told there ferry audit $COMMON/here.ferry
  there was_restored $name
  check "an image: ferry restore there" told there ferry restore $COMMON/here.ferry
  arrived_there "an image" "$tick"
  tick=$(there tick_number $name)
  check "a file of xl: xl save there" there "xl save $name $work/there.img && cp $work/there.img $COMMON/"
  was_restored $name
  check "a file of xl: xl restore here" xl restore $COMMON/there.img
  arrived_here "a file of xl" "$tick"
  check "the guest shuts down on request" xl shutdown -w $name
  check "no domain is left" within 20 only
  stop_watching
  there stop_watching
}
if [ $what = everything ]; then
  one_guest
  one_guest_by_xl
  one_guest_in_images
else
  compare_clocks
fi

# Hosts that are emptied --------------------------------------------------------------------------------

# Two at a time are enough work with little to do beside it.
export WORKLOAD_MIB=4 WORKLOAD_WORKERS=1
# two_start ONE OTHER: both count. one_tick, other_tick: what they had counted.
two_start() {
  watch_ticks $1
  watch_ticks $2 other_ticks
  there "watch_ticks $1; watch_ticks $2 other_ticks"
  check "$1 with 2 vCPUs starts" start_guest $1 2 96
  check "$2 with 1 vCPU starts" start_guest $2 1 96
  check "$1 counts" runs $1 5
  check "$2 counts" runs $2 5
  usual=$(longest_pause 1)
  one_tick=$(tick_number $1) other_tick=$(tick_number $2)
}
# two_are WHERE ONE OTHER: there, or here ("here" is nothing in front of the command); sound, and not started anew.
two_are() {
  local where=
  [ "$1" = here ] || where=there
  check "$1: $2 counts, memory, page tables and clocks intact" $where runs $2
  check "$1: $3 counts, memory, page tables and clocks intact" $where runs $3
  check "$1: $2 goes on where it was" [ "$($where tick_number $2)" -gt "$one_tick" ]
  check "$1: $3 goes on where it was" [ "$($where tick_number $3)" -gt "$other_tick" ]
  tell_pause "$1: $2" "$one_tick"
  tell_pause "$1: $3" "$other_tick" other_ticks
}
two_go() {
  check "ferry evacuate empties this host of $1 and $2" told ferry evacuate --to host2.lab
  check "they are gone here" within 20 only
  two_are there $1 $2
}
two_come_back() {
  one_tick=$(there tick_number $1) other_tick=$(there tick_number $2)
  check "ferry evacuate there empties that host again" told there ferry evacuate --to host1.lab
  check "they are gone there" there within 20 only
  two_are here $1 $2
}
two_end() {
  stop_watching
  there stop_watching
  destroy_all
  there destroy_all
}

two_start web1 db1
check "ferry evacuate --dry-run: both can go" told ferry evacuate --to host2.lab --dry-run
check "nothing has moved" only web1 db1
two_go web1 db1
told xl list
told there ferry job list
told there xl info xen_version
two_come_back web1 db1
two_end
pair=1
while [ $((pair * 2)) -lt "$guests" ]; do
  pair=$((pair + 1))
  two_start web$pair db$pair
  two_go web$pair db$pair
  two_end
done

# A guest that was started there was shown what that release and CPU have; whether it can come here is for check to say.
a_guest_from_there() {
  check "a guest starts there" there start_guest new 1 96
  check "it counts there" there runs new
  if told there ferry check new host1.lab; then
    check "ferry check let it: it comes here" there ferry migrate new host1.lab
    check "it counts here" runs new
  else
    check "ferry check did not let it: it counts there" there runs new
  fi
  destroy_all
  there destroy_all
}
[ $what != everything ] || a_guest_from_there

check "no job is open here in the end" no_open_job
check "no job is open there in the end" there no_open_job
check "no lock is held here" within 20 no_lock_held
check "no lock is held there" there within 20 no_lock_held
for pid in $work/receive.pid $work/nc.pid; do
  [ -e $pid ] || continue
  kill "$(cat $pid)"
  there "kill \$(cat $pid)"
done
end_there
end_of_checks
