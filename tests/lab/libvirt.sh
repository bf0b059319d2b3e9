# Debian's libvirtd and its driver for Xen, AppArmor on, with ferry's packages (tools/lab --dom0 libvirt --packages DIR):
# what virsh saves and restores goes through ferry's helper; who brings a guest back whose save fails; how such a save is
# watched and stopped.
check_seconds=900 # dpkg is slow where every instruction is emulated
. "$LAB_TESTS/lib.sh"
. "$LAB_TESTS/installed_lib.sh"
. "$LAB_TESTS/libvirt_lib.sh"
name=guest
saved=$work/guest.save

check "AppArmor is on" grep -qx Y /sys/module/apparmor/parameters/enabled
check "libvirtd is up" within 60 answers_to_virsh
check "and held by its profile" is_confined
check "the packages are installed" install_packages
note "$(virsh version | grep -E 'Using|Running' | tr '\n' ' ')"

check "virsh define" define_guest $name 1 128
check "virsh start --paused" virsh start --paused $name
check "it is paused" is_paused
check "virsh resume" virsh resume $name
check "it counts" runs $name
check "it writes to its disk" writes $name

# Files.
tick=$(tick_number $name)
check "virsh save" virsh save $name $saved
check "it is gone" eval 'only && virsh_says "shut off" $name'
check "it is in an image of ferry's" is_image $saved
check "which nobody else can read" [ "$(mode_of $saved)" = 600 ]
show ferry inspect $saved | head -n 12
check "virsh restore" virsh restore $saved
check "it went on where it was, memory, page tables and clocks intact" went_on "$tick"
check "so does its disk" writes $name
check "and its network" within 30 answers 1
tick=$(tick_number $name)
check "virsh save over that file" virsh save $name $saved
check "virsh restore --paused" virsh restore --paused $saved
check "it is paused, restored" is_paused
check "virsh resume lets it go on" virsh resume $name
check "it went on, resumed" went_on "$tick"

# Of libvirt's own keeping.
managed=/var/lib/libvirt/libxl/save/$name.save
tick=$(tick_number $name)
check "virsh managedsave" virsh managedsave $name
check "the image is ferry's" is_image $managed
check "virsh start" virsh start $name
check "it went on, started" went_on "$tick"
check "the image is gone" [ ! -e $managed ]
tick=$(tick_number $name)
check "virsh managedsave again" virsh managedsave $name
check "virsh start --paused, of what was saved" virsh start --paused $name
check "it is paused, started" is_paused
check "libvirt itself saves no paused guest" fails_with 1 'has to be running' virsh save $name $saved
check "virsh resume then" virsh resume $name
check "it went on, started paused" went_on "$tick"

# A save that hangs is watched, and stopped.
suspended() { has_state $name '???s??'; }
begin_stalled_save() {
  stalled_pipe $work/fifo 2000000
  beside save $name $work/fifo
  before_it_ends suspended && before_it_ends knows_the_job
}
knows_the_job() { ferry job info $name; }
tick=$(tick_number $name)
check "a save into a pipe that nobody empties" begin_stalled_save
show virsh domjobinfo $name
check "virsh domjobinfo knows for how long it has run" eval 'virsh domjobinfo $name | grep -q "^Time elapsed: *[1-9]"'
show virsh domjobabort $name
check "virsh domjobabort is not to be had" fails_with 1 'not supported' virsh domjobabort $name
show ferry job info $name
check "ferry job info knows how far it is" eval 'ferry job info $name | grep -q "^Memory total: *128.0 MiB"'
show ferry job list
check "nothing of it can be set" fails_with 2 'stands still' ferry job set --bandwidth 5 $name
show ferry job cancel $name
check "virsh save fails" eval 'ends 60; [ $job_status -ne 0 ]'
note "it says: $(tail -n 1 $work/job.log)"
release_pipe
check "the guest went on" went_on "$tick"
check "no lock is held" within 20 no_lock_held

# What goes wrong by itself.
mkdir -p $work/small && mount -t tmpfs -o size=3m small $work/small
check "virsh save to a disk without room fails" fails_with 1 'Failed to save' virsh save $name $work/small/guest.save
check "the guest went on after that" went_on "$tick"
check "no file is left" [ -z "$(ls -A $work/small)" ]
umount $work/small
check "the log of libvirt says why" grep -h "room\|space" /var/log/libvirt/libxl/*.log
check "another save into such a pipe" begin_stalled_save
check "libvirtd is killed" eval 'kill -KILL "$(pidof libvirtd)"; ends 60; [ $job_status -ne 0 ]'
release_pipe
check "it comes up again" within 60 answers_to_virsh
check "the guest went on after this" went_on "$tick"
check "no lock is held then" within 20 no_lock_held
check "the helper is killed" eval 'begin_stalled_save && kill -KILL $(processes "[^ ]*ferry-save-helper --save") && ends 60; [ $job_status -ne 0 ]'
release_pipe
check "the guest is suspended: nobody is left to resume it" suspended
check "ferry resume" ferry resume $name
check "the guest went on, resumed" went_on "$tick"

# What is no business of the helper's.
check "virsh dump" virsh dump $name $work/core
check "a core is there" eval '[ "$(head -c 4 $work/core | tail -c 3)" = ELF ]'
check "the guest went on, dumped" went_on "$tick"
rm -f $work/core

tick=$(tick_number $name)
check "the switch" eval 'echo "engine = stock" >>/etc/ferry/ferry.conf'
check "virsh save by Xen's own helper" virsh save $name $saved
check "which writes its own stream" holds_stream_of_xen $saved
check "the switch taken back" sed -i '/^engine/d' /etc/ferry/ferry.conf
check "virsh restore of that" virsh restore $saved
check "it went on, restored by the stock helper" went_on "$tick"

check "libvirt sees it reboot" eval 'virsh reboot $name && within 60 booted $name 2 && runs $name'
check "AppArmor has denied nothing" not denied
check "virsh destroy" virsh destroy $name
check "virsh undefine" virsh undefine $name
check "no lock is held at the end" within 20 no_lock_held
end_of_checks
