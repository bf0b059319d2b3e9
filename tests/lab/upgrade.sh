# A rolling upgrade: a running guest goes live from a host of one release to a host of another and back, by `ferry
# migrate` and by `xl migrate` with ferry's helper on both; images saved on the one are restored on the other.
# tools/lab --two --release bookworm,trixie tests/lab/upgrade.sh (or any other two)
name=mover
. "$LAB_TESTS/lib.sh"
. "$LAB_TESTS/pause.sh"
. "$LAB_TESTS/two_hosts_lib.sh"
export LIBXL_SAVE_HELPER=/usr/local/bin/ferry-save-helper
use_one_certificate

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
was_restored() { rm -f /var/log/xen/console/guest-$name--incoming.log; }

second_host_serves

make_one_certificate
check "the second host answers" there take_certificate
note "here: $(says_system); there: $(there says_system)"
start_mover
check "a receiver listens there" there receive
check "a receiver listens here" receive

check "ferry check: that host can take it" ferry check $name host2.lab
note "$(tail -n 1 $work/check.log)"
tick=$(tick_number $name)
check "there: ferry migrate" ferry migrate $name host2.lab
note "$(grep -h '^migrated' $work/check.log)"
arrived_there there "$tick"
tell_pause there "$tick"
check "ferry check there: this host can take it back" there ferry check $name host1.lab
tick=$(there tick_number $name)
check "back: ferry migrate" there ferry migrate $name host1.lab
note "$(grep -h '^migrated' $work/check.log)"
arrived_here back "$tick"
tell_pause back "$tick"
check "no job is open here" no_open_job
check "no job is open there" there no_open_job

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

# What was saved here is restored there, and the other way round.
tick=$(tick_number $name)
check "an image: ferry save here" ferry save $name $work/here.ferry
cp $work/here.ferry $COMMON/here.ferry
check "an image: ferry audit there" there ferry audit $COMMON/here.ferry
there was_restored
check "an image: ferry restore there" there ferry restore $COMMON/here.ferry
arrived_there "an image" "$tick"
tick=$(there tick_number $name)
check "a file of xl: xl save there" there "xl save $name $work/there.img && cp $work/there.img $COMMON/"
was_restored
check "a file of xl: xl restore here" xl restore $COMMON/there.img
arrived_here "a file of xl" "$tick"

check "no lock is held here" within 20 no_lock_held
check "no lock is held there" there within 20 no_lock_held
check "the guest shuts down on request" xl shutdown -w $name
check "no domain is left" within 20 only
for pid in receive nc; do
  kill "$(cat $work/$pid.pid)"
  there "kill \$(cat $work/$pid.pid)"
done
stop_watching
there stop_watching
end_there
end_of_checks
