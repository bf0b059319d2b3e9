# ferry save that fails half way, and two saves at once: the guest runs on, and nothing is left behind.
name=halfway
. "$LAB_TESTS/lib.sh"
. "$LAB_TESTS/failing.sh"

check "a guest starts" start_guest $name 1 128
check "the guest counts" runs $name
mkdir -p $work/small
mount -t tmpfs -o size=2m tmpfs $work/small

check "ferry save to a disk that is too small is refused before anything happens" \
  fails_with 1 'takes at least [0-9]+ MiB and there is room for' ferry save $name $work/small/image
intact "ferry, small disk"
# As much as the guess took off for its errors, and then half of it.
least=$(sed -n 's/.*takes at least \([0-9]*\) MiB.*/\1/p' $work/command.log)
mount -o remount,size=$((least + 8))m $work/small
check "ferry save to a disk that becomes full fails in a sentence" \
  fails_with 1 'No space left|disk is full' ferry save $name $work/small/image
check "no file is left" [ -z "$(ls -A $work/small)" ]
intact "ferry, full disk"

# 256 threads take a GiB.
available=$(awk '/^MemAvailable/ { printf "%d", $2 / 1024 }' /proc/meminfo)
[ "$available" -lt 800 ] || dd if=/dev/zero of=$work/fill bs=1M count=$((available - 700)) 2>/dev/null
check "ferry save is refused if dom0 has too little memory" \
  fails_with 1 'takes [0-9]+ MiB of memory, and dom0 has [0-9]+ MiB left' ferry save --threads 256 $name $work/one
rm -f $work/fill
intact "ferry, little memory"

check "ferry save to a reader that closes fails" \
  fails_with 1 'pipe' sh -c "mkfifo $work/c2; head -c 1000000 $work/c2 >/dev/null & ferry save --keep $name - >$work/c2"
intact "ferry, closed pipe"

mkdir $work/images
for signal in KILL TERM; do
  check "the engine is killed by SIG$signal" \
    kill_one $signal '[^ ]*save-helper' ferry save $name $work/images/one
  check "ferry save has failed with the guest safe" [ "$job_status" -eq 1 ]
  check "no half-written file is left" [ -z "$(ls -A $work/images)" ]
  intact "engine killed by SIG$signal"
done

check "Ctrl-C hits ferry save before the guest is suspended" \
  interrupt_early sh -c "rm -f $work/images/one; exec ferry save --keep $name $work/images/one"
intact "ferry, Ctrl-C before suspension"
check "Ctrl-C hits ferry save after the guest is suspended" \
  interrupt suspended ferry save $name $work/images/one
intact "ferry, Ctrl-C after suspension"
check "no half-written file is left" [ -z "$(ls -A $work/images)" ]

check "ferry's parent process is killed" \
  kill_one KILL '[^ ]*(ferry|ferry-host) save' ferry save $name $work/images/one
intact "ferry's parent killed"
rm -rf $work/images/* $work/images/.[!.]*

# are_protected N PATTERN: so many processes match, and Linux ends none of them to get memory.
are_protected() {
  local process seen=0
  for process in $(processes "$2"); do
    seen=$((seen + 1))
    [ "$(cat /proc/$process/oom_score_adj)" = -1000 ] || { echo "process $process is not protected"; return 1; }
  done
  [ $seen -ge "$1" ] || { echo "$seen processes match"; return 1; }
}

# Two saves at once ------------------------------------------------------------------------------------
stalled_pipe $work/stalled 300000
in_background sh -c "ferry save --keep $name - >$work/stalled"
check "a save is under way" before_it_ends suspended
check "if memory runs out, its processes are not what is ended" are_protected 2 '[^ ]*(ferry-host|ferry-save-helper) '
check "a second ferry save is refused" fails_with 1 'in other hands' ferry save $name $work/images/two
check "the first save still has the guest" suspended
release_pipe
check "the first save ends" ends 30
intact "two saves"

in_background ferry save $name $work/images/both
check "a save is under way once more" before_it_ends suspended
check "both its processes are killed at once" kill -KILL $(processes '[^ ]*(ferry|ferry-host|ferry-save-helper) ')
ends 20 >/dev/null
check "nobody has resumed the guest" suspended
check "ferry resume brings the guest back" ferry resume $name
rm -rf $work/images/* $work/images/.[!.]*
intact "both killed, then ferry resume"

stalled_pipe $work/stalled 300000
in_background env LIBXL_SAVE_HELPER=/usr/local/bin/ferry-save-helper xl save -c $name $work/stalled
check "a save by xl is under way" before_it_ends suspended
check "its helper is not what is ended either" are_protected 1 '[^ ]*ferry-save-helper '
drain_pipe
check "it ends well" ends_with 0 60
check "the guest runs on after it" runs $name
release_pipe

xl destroy $name
umount $work/small
end_of_checks
