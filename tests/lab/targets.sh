# What a guest is saved to and restored from: a real block device, FIFOs and pipes, read-only and mounted places, beside
# what xl does with them; and guests that are refused before anything is touched.
name=target
. "$LAB_TESTS/lib.sh"
. "$LAB_TESTS/failing.sh"
helper=LIBXL_SAVE_HELPER=/usr/local/bin/ferry-save-helper
disk=$LAB_DISK # with room for a small guest; what it held is put back at the end

restored() { # WHAT TICK
  check "$1: it goes on" runs $name
  check "$1: where it was" continued $name "$2"
}
broken_off() { fails_with 3 'a save into it was broken off' ferry audit "$1"; }

check "a guest starts" start_guest $name 1 128 || { end_of_checks; exit 1; }
check "it counts" runs $name
dd if=$disk of=$work/disk.was bs=1M count=16 2>/dev/null

# A block device -------------------------------------------------------------------------------------
check "ferry save --keep to a device that is larger" ferry save --keep $name $disk
check "the guest runs on" runs $name
check "the device audits clean" ferry audit $disk
check "inspect reads it" ferry inspect $disk
check "convert reads it" ferry convert --to libxc $disk $work/libxc
rm -f $work/libxc
check "the engine is killed while it writes over that" kill_one KILL '[^ ]*save-helper' ferry save $name $disk
check "no image is taken for sound" broken_off $disk
intact "engine killed, device"
tick=$(tick_number $name)
check "ferry save to the device" ferry save $name $disk
check "the guest is gone" gone $name
check "ferry restore from the device" ferry restore $disk
restored "the device" "$tick"
name=large
WORKLOAD_MIB=120
check "a guest starts that is larger than the device" start_guest $name 1 256
check "it has filled its memory" runs $name
check "it is refused while it runs" \
  fails_with 1 'takes at least [0-9]+ MiB and there is room for 64 MiB' ferry save --level 0 $name $disk
check "what the device held is still there" ferry audit $disk
check "it runs on" runs $name
xl destroy $name
name=target
unset WORKLOAD_MIB
tick=$(tick_number $name)
check "xl save with ferry's helper to the device" env $helper xl save $name $disk
check "the guest is gone once more" gone $name
check "its file of xl audits clean" ferry audit $disk
check "xl restore from it" env $helper xl restore $disk
restored "the device by xl" "$tick"
dd if=$work/disk.was of=$disk bs=1M 2>/dev/null
check "another guest has the device for its disk" start_guest other 1 128 "$(disk_line)"
check "it is refused then" fails_with 1 'the device is in use' ferry save $name $disk
xl destroy other
check "the guest runs on" runs $name

# Streams --------------------------------------------------------------------------------------------
mkfifo $work/fifo
check "a FIFO needs a word on the guest" fails_with 2 'a FIFO may never reach a disk' ferry save $name $work/fifo
cat $work/fifo >$work/read &
tick=$(tick_number $name)
check "ferry save --destroy to a FIFO" ferry save --destroy $name $work/fifo
wait $!
check "the guest is gone after the FIFO has it" gone $name
check "a stream that is cut off makes no guest" \
  fails_with 3 'cut off' sh -c "head -c 2000000 $work/read | ferry restore -"
check "no domain is left of it" only
check "ferry restore from a pipe" sh -c "cat $work/read | ferry restore -"
restored "the pipe" "$tick"
check "it can be asked to suspend again, as xenstore says" \
  [ "$(xenstore-read /local/domain/"$(xl domid $name)"/control/feature-suspend)" = 1 ]
tick=$(tick_number $name)
check "ferry save to a file" ferry save $name $work/image
cat $work/image >$work/fifo &
check "ferry restore --memory from a FIFO" ferry restore --memory 160 $work/fifo
check "it has that for its target" [ "$(xenstore-read /local/domain/"$(xl domid $name)"/memory/target)" = 163840 ]
restored "the FIFO" "$tick"
check "less memory than it has is refused" fails_with 1 '\-\-memory [0-9]+ restores it' \
  ferry restore --force --name twin --memory 64 $work/image
check "no second guest is there" only $name

# Places that are not to be written to ------------------------------------------------------------------
mkdir -p $work/ro
mount -t tmpfs -o ro tmpfs $work/ro
check "a read-only file system" fails_with 1 'Read-only file system' ferry save $name $work/ro/image
: >$work/under
: >$work/over
mount --bind $work/over $work/under
check "a file that is mounted over another" fails_with 1 'something is mounted there' ferry save $name $work/under
umount $work/under
check "the full device" fails_with 1 'character device' ferry save $name /dev/full
check "xl does not know that" not env $helper xl save $name /dev/full
check "the null device" fails_with 1 'character device' ferry save $name /dev/null
umount $work/ro
intact "places"

# Guests that do not leave ---------------------------------------------------------------------------------
check "domain 0" fails_with 1 'domain 0 is this host itself' ferry save Domain-0 $work/image0
check "domain 0 for another host" fails_with 1 'domain 0 is this host itself' \
  ferry migrate 0 --via 'ferry receive --stdio'
word=/local/domain/$(xl domid $name)/control
xenstore-write $word/feature-poweroff 1 $word/feature-suspend ''
for order in "save $name $work/image2" "migrate $name --via ferry-receive-is-not-asked"; do
  check "a guest that says it does not suspend: ferry ${order%% *}" \
    fails_with 1 'does not suspend' ferry $order
done
check "a guest that says it does not suspend: xl save" fails_with 1 'does not suspend' env $helper xl save $name $work/xl
check "a guest that says it does not suspend: ferry check" sh -c "ferry check $name | grep 'blocker: .*does not suspend'"
xenstore-write $word/feature-suspend 1
intact "guest without feature-suspend"
xl destroy $name

name=fixed
check "a guest with nomigrate starts" start_guest $name 1 128 'nomigrate = 1'
check "it is not saved" fails_with 1 'nomigrate' ferry save $name $work/image3
check "nor migrated" fails_with 1 'nomigrate' ferry migrate $name --via 'ferry receive --stdio'
check "it runs on" runs $name
xl destroy $name
end_of_checks
