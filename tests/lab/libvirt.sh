# libvirt's own commands in a Debian dom0 with ferry's packages and AppArmor on: libvirtd starts ferry's helper.
. "$LAB_TESTS/lib.sh"
. "$LAB_TESTS/installed_lib.sh"
name=guest
saved=/var/lib/libvirt/guest.save
managed=/var/lib/libvirt/libxl/save/$name.save
v() { virsh --connect xen:///system "$@"; }
is_state() { [ "$(v domstate $name)" = "$1" ] || { v list --all; return 1; }; }
defines() {
  cat >$work/$name.xml <<XML
<domain type='xen'>
  <name>$name</name>
  <memory unit='MiB'>128</memory>
  <vcpu>2</vcpu>
  <os>
    <type arch='x86_64' machine='xenpv'>linux</type>
    <kernel>/lab/guest/vmlinuz</kernel>
    <initrd>/lab/guest/initrd</initrd>
    <cmdline>console=hvc0 quiet panic=1 nowatchdog workload="21 2"</cmdline>
  </os>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>preserve</on_crash>
  <devices><console type='pty'><target type='xen' port='0'/></console></devices>
</domain>
XML
  v define $work/$name.xml
}
# Of the domain's memory, in what virsh writes around it.
by_ferry() { grep -aq 'ferry image' "$1" || { head -c 8192 "$1" | strings | tail -n 20; return 1; }; }
goes_on() { # WHAT
  check "$1: it counts, memory, page tables and clocks intact" runs $name
  check "$1: it goes on where it was" continued $name $tick
}
watch_job() { # a job that virsh began, seen from beside it
  v save $name $saved >$work/save.log 2>&1 &
  within 30 eval 'v domjobinfo $name | grep "Time elapsed"'
  ferry job info $name
  wait $! || { cat $work/save.log; return 1; }
}

check "the packages are installed" install_packages
check "AppArmor is on" grep -qx Y /sys/module/apparmor/parameters/enabled
check "libvirtd starts" systemctl start libvirtd.service
check "it has its profile" eval 'grep libvirtd /sys/kernel/security/apparmor/profiles'
note "$(v version | tr '\n' ';')"
check "a guest is defined" defines
check "virsh start" v start $name
check "it counts" runs $name
tick=$(tick_number $name)
check "virsh save, and domjobinfo while it runs" watch_job
grep -h elapsed $work/check.log | sed 's/^/# domjobinfo: /'
check "the memory is an image of ferry's" by_ferry $saved
check "ferry audits it" ferry audit $saved
check "virsh restore" v restore $saved
goes_on "virsh restore"
tick=$(tick_number $name)
check "virsh save" v save $name $saved
check "virsh restore --paused" v restore --paused $saved
check "it is paused" is_state paused
check "virsh resume" v resume $name
goes_on "restored paused"
tick=$(tick_number $name)
check "virsh managedsave" v managedsave $name
check "its memory is an image of ferry's" by_ferry $managed
check "virsh start" v start $name
goes_on "virsh start of a managed save"
tick=$(tick_number $name)
check "virsh managedsave" v managedsave $name
check "virsh start --paused" v start --paused $name
check "it is paused" is_state paused
check "virsh resume" v resume $name
goes_on "started paused"
check "virsh dump" v dump --live $name $work/guest.core
check "the dump is a core" eval 'head -c 4 $work/guest.core | grep -q ELF'
check "it counts" runs $name
check "AppArmor denied nothing of ferry's" eval '! dmesg | grep "apparmor=\"DENIED\"" | grep -i ferry'
dmesg | grep 'apparmor="DENIED"' | tail -n 3 | sed 's/^/# denied: /'
end_of_checks
