# xl save with our helper that fails half way: the guest runs on, and nothing is left behind.
name=halfway
. "$LAB_TESTS/lib.sh"
. "$LAB_TESTS/failing.sh"
export LIBXL_SAVE_HELPER=/usr/local/bin/ferry-save-helper

check "a guest starts" start_guest $name 1 128
check "the guest counts" runs $name
mkdir -p $work/small
mount -t tmpfs -o size=8m tmpfs $work/small

check "xl save to a full disk fails" not xl save $name $work/small/image
intact "full disk"
rm -f $work/small/image

mkfifo $work/closed
head -c 1000000 $work/closed >/dev/null &
check "xl save to a reader that closes fails" not xl save $name $work/closed
intact "closed pipe"

for signal in KILL TERM; do
  stalled_pipe $work/stalled 300000
  check "the helper is killed by SIG$signal" kill_one $signal '[^ ]*save-helper' xl save $name $work/stalled
  check "xl save has failed" [ "$job_status" -ne 0 ]
  intact "helper killed by SIG$signal"
  release_pipe
done

stalled_pipe $work/stalled 300000
check "Ctrl-C hits xl save before the guest is suspended" interrupt_early xl save $name $work/stalled
intact "Ctrl-C before suspension"
release_pipe

stalled_pipe $work/stalled 300000
check "Ctrl-C hits xl save after the guest is suspended" interrupt suspended xl save $name $work/stalled
intact "Ctrl-C after suspension"
release_pipe

stalled_pipe $work/stalled 300000
check "xl alone is killed" kill_one KILL 'xl save' xl save $name $work/stalled
intact "xl killed"
release_pipe

# When a save fails, xl resumes the guest, even one that another save has suspended. So a second save does not fail: it
# waits until the first one is done with the guest.
stalled_pipe $work/stalled 300000
in_background xl save $name $work/stalled
check "a save is under way" before_it_ends suspended
xl save $name $work/second >$work/second.log 2>&1 &
second=$!
check "a second xl save waits" within 30 grep -q 'in other hands' $work/second.log
check "the guest is still suspended" suspended
drain_pipe
ends 60 >$work/first.log
check "the first save ends well" [ "$job_status" -eq 0 ]
check "the second one fails then" not wait $second
note "it says: $(tail -n 1 $work/second.log)"
check "the guest runs nowhere but in its image" not xl domid $name
release_pipe

umount $work/small
end_of_checks
