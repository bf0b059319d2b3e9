# For scripts in a dom0 with libvirt and ferry's packages (tools/lab --dom0 libvirt --packages DIR). Sourced after lib.sh
# and installed_lib.sh.
export LIBVIRT_DEFAULT_URI=xen:///system

is_confined() { grep -qx 'libvirtd (enforce)' /proc/"$(pidof libvirtd)"/attr/current; }
answers_to_virsh() { virsh list >/dev/null; }
denied() { dmesg | grep 'apparmor="DENIED"'; }

# guest_xml NAME VCPUS MIB: as guest_config of lib.sh, for virsh define.
guest_xml() {
  cat <<XML
<domain type='xen'>
  <name>$1</name>
  <memory unit='MiB'>$3</memory>
  <vcpu>$2</vcpu>
  <os>
    <type arch='x86_64' machine='xenpv'>linux</type>
    <kernel>/lab/guest/vmlinuz</kernel>
    <initrd>/lab/guest/initrd</initrd>
    <cmdline>console=hvc0 quiet panic=1 nowatchdog workload="${WORKLOAD_MIB:-$(($3 / 6))} $2"</cmdline>
  </os>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>preserve</on_crash>
  <devices>
    <disk type='block' device='disk'>
      <driver name='phy'/>
      <source dev='$LAB_DISK'/>
      <target dev='xvda' bus='xen'/>
    </disk>
    <interface type='bridge'>
      <mac address='00:16:3e:00:00:01'/>
      <source bridge='xenbr0'/>
      <script path='vif-bridge'/>
    </interface>
    <console type='pty'><target type='xen'/></console>
  </devices>
</domain>
XML
}
define_guest() { guest_xml "$@" >$work/"$1".xml && virsh define $work/"$1".xml; }

# beside VIRSH_ARGUMENT…: virsh in the background, to be waited for with ends of lib.sh.
beside() {
  virsh "$@" >$work/job.log 2>&1 &
  job=$!
}
# virsh_says STATE NAME
virsh_says() {
  local seen
  seen=$(virsh domstate "$2" | head -n 1)
  [ "$seen" = "$1" ] || { echo "virsh says that $2 is '$seen', not '$1'"; return 1; }
}
is_paused() { virsh_says paused $name && has_state $name '--p*' && not runs_now; }
runs_now() {
  local from
  from=$(lines_of $name)
  sleep 3
  [ "$(ticks_since $name "$from")" -gt 0 ]
}
# went_on TICK: it runs here, and did not boot since that tick.
went_on() { virsh_says running $name && runs $name && continued $name "$1"; }

# show COMMAND…: what a person would see, for docs/libvirt.md.
show() {
  echo "# \$ $*"
  "$@" 2>&1 | sed 's/^/#   /'
}
