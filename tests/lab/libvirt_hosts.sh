# virsh migrate --live between two hosts with Debian's libvirtd, AppArmor on, and ferry's packages (tools/lab --dom0
# libvirt --two --packages DIR): there and back, through libvirt's own connection, and stopped on the way.
check_seconds=900 # dpkg is slow where every instruction is emulated
. "$LAB_TESTS/lib.sh"
. "$LAB_TESTS/installed_lib.sh"
. "$LAB_TESTS/two_hosts_lib.sh"
. "$LAB_TESTS/libvirt_lib.sh"
name=guest
conf=/etc/ferry/ferry.conf

# The hosts' libvirtds hear each other without a password here; who does that on a network that others see gives them
# all guests.
listens_for_hosts() {
  printf 'listen_tls = 0\nauth_tcp = "none"\n' >>/etc/libvirt/libvirtd.conf
  systemctl stop libvirtd.service && systemctl start libvirtd-tcp.socket && systemctl start libvirtd.service &&
    within 60 answers_to_virsh
}
# Every instruction is emulated: what takes milliseconds elsewhere takes seconds here.
set_up_host() {
  install_packages && printf 'max_downtime = 3000\nmax_rounds = 3\nlevel = 1\n' >>$conf && listens_for_hosts
}
# No --incoming: libvirt gives the guest its name at once.
guest_log() { echo /var/log/xen/console/guest-"$1".log; }
second_host_serves

uri=xen+tcp://host2.lab/system
check "here: ferry and libvirtd" set_up_host
check "there: ferry and libvirtd" there set_up_host
check "the other libvirtd answers" virsh -c $uri list
check "virsh define" define_guest $name 2 128
check "virsh start" virsh start $name
check "it counts" runs $name 5
check "it writes to its disk" writes $name

arrived_there() { # WHAT TICK
  check "$1: it is gone here" only
  check "$1: virsh there says that it runs" there virsh_says running $name
  check "$1: it counts, memory, page tables and clocks intact" there runs $name
  check "$1: it goes on where it was" [ "$(there tick_number $name)" -gt "$2" ]
  check "$1: it writes to its disk" there writes $name
  check "$1: no lock is held" within 20 no_lock_held
}
tick=$(tick_number $name)
check "there: virsh migrate --live" virsh migrate --live $name $uri
arrived_there there "$tick"
tick=$(there tick_number $name)
check "back: virsh migrate --live" there virsh migrate --live $name xen+tcp://host1.lab/system
check "back: it is gone there" there only
check "back: virsh here says that it runs" virsh_says running $name
check "back: it counts, memory, page tables and clocks intact" runs $name
check "back: it goes on where it was" [ "$(tick_number $name)" -gt "$tick" ]

# Slow, watched and stopped.
check "slower" eval 'echo "bandwidth = 1" >>$conf'
migrating() { ferry job info $name; }
beside migrate --live $name $uri
check "a slow migration is under way" before_it_ends migrating
sleep 3
show virsh domjobinfo $name
show ferry job info $name
check "virsh domjobinfo knows for how long" eval 'virsh domjobinfo $name | grep -q "^Time elapsed: *[1-9]"'
check "ferry job set" ferry job set --bandwidth 2 $name
show ferry job cancel $name
check "virsh migrate fails" eval 'ends 60; [ $job_status -ne 0 ]'
note "it says: $(tail -n 1 $work/job.log)"
check "the guest runs on here" runs $name
check "virsh says so" virsh_says running $name
check "nothing of it is left there" there within 20 only
check "nor does libvirt there know it" there within 20 fails_with 1 failed.to.get.domain virsh domstate $name
check "as fast as can be" sed -i '/^bandwidth/d' $conf

# What fails when the guest is suspended already: the receiver dies.
check "the stock helper there, which knows no image of ferry's" there eval "echo 'engine = stock' >>$conf"
check "virsh migrate to it fails" fails_with 1 'error:' virsh migrate --live $name $uri
check "the guest runs on here after that" runs $name
check "nothing of it is left there after that" there within 20 only
check "the switch there taken back" there sed -i /^engine/d $conf

tick=$(tick_number $name)
check "tunnelled: virsh migrate --live --p2p --tunnelled" virsh migrate --live --p2p --tunnelled $name $uri
arrived_there tunnelled "$tick"
check "AppArmor has denied nothing here" not denied
check "AppArmor has denied nothing there" there not denied
there virsh destroy $name
end_there
end_of_checks
