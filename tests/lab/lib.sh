# Functions for scripts that run in the lab's dom0. Sourced: . "$LAB_TESTS/lib.sh"
#
# Checks print a line each, as TAP does: "ok 3 - what holds" or "not ok 3 - what does not"; after a failed
# one, what was seen follows in lines that start with "#". end_of_checks prints the plan and is the verdict.

checks=0
failures=0
work=/run/lab # tmpfs
mkdir -p $work

# The Xen that runs here, and its own save helper.
xen_release=$(cat /sys/hypervisor/version/major).$(cat /sys/hypervisor/version/minor)
stock_helper=/usr/lib/xen-$xen_release/bin/libxl-save-helper

# check WHAT COMMAND…: one check; COMMAND's output is shown only if it fails. It has check_seconds, then everything
# that this script has started is ended, and the check has failed.
: "${check_seconds:=300}"
check() {
  local what=$1
  shift
  checks=$((checks + 1))
  echo $checks >$work.check
  if "$@" >$work/check.log 2>&1; then
    echo "ok $checks - $what"
  else
    local status=$?
    failures=$((failures + 1))
    echo "not ok $checks - $what"
    echo "#   status $status from: $*"
    grep -v '^xencall:buffer: debug' $work/check.log | tail -n 25 | sed 's/^/#   /'
    [ -z "${name-}" ] || tail -n 8 "$(guest_log "$name")" 2>/dev/null | tr -d '\r' | sed "s/^/#   $name says: /"
    return 1
  fi
}

# Ends a check that takes too long. It runs beside the script until that has ended; the number on which it works is that
# of the script's latest check; of a script without checks, as the second host's is, it ends nothing.
end_slow_checks() {
  local number= since=$(now_ms) now seen
  while sleep 2 && kill -0 $$ 2>/dev/null; do
    now=$(now_ms)
    seen=$(cat $work.check 2>/dev/null)
    # A second host that only does what it is told has no checks.
    if [ "$seen" != "$number" ] || [ -z "$seen" ]; then
      number=$seen since=$now
    elif [ -n "$number" ] && [ $((now - since)) -gt $((check_seconds * 1000)) ]; then
      { echo "ended after $check_seconds s; there ran:"; (ps -ef 2>/dev/null || ps) | grep -v "\["; xl list; } >>$work/check.log 2>&1
      kill $(children_of $$)
      since=$now
    fi
  done
}
# Its own shell aside.
children_of() {
  local stat
  for stat in /proc/[0-9]*/status; do
    { grep -q "^PPid:[[:space:]]*$1\$" $stat; } 2>/dev/null || continue
    stat=${stat#/proc/}
    [ "${stat%/status}" = "$watcher" ] || echo "${stat%/status}"
  done
}

note() { echo "# $*"; }

end_of_checks() {
  echo "1..$checks"
  [ $failures -eq 0 ] || note "$failures of $checks checks failed"
  [ $failures -eq 0 ]
}

# Commands -------------------------------------------------------------------------------------------

# fails_with STATUS TEXT COMMAND…: COMMAND ends with STATUS and its output contains TEXT (an extended
# regular expression), all of it within two minutes: it may be one of many that wait for a processor.
fails_with() {
  local want=$1 text=$2 status
  shift 2
  timeout 120 "$@" >$work/command.log 2>&1
  status=$?
  cat $work/command.log
  [ $status -eq "$want" ] || { echo "status $status, expected $want"; return 1; }
  grep -qE "$text" $work/command.log || { echo "no output matches: $text"; return 1; }
}

not() { ! "$@"; }

# within SECONDS COMMAND…: COMMAND succeeds at last; it is tried ten times a second. Where COMMAND takes long itself,
# it has three times as long, or up to thirty tries, however long they take on a busy machine.
within() {
  local tries=$(($1 * 10)) tried=0 until=$(($(seconds) + $1 * 3))
  shift
  while ! "$@"; do
    tried=$((tried + 1))
    [ $tried -lt $tries ] && { [ $tried -lt 30 ] || [ "$(seconds)" -lt $until ]; } ||
      { echo "still not so: $*"; return 1; }
    usleep 100000
  done
}

# Since this host started.
seconds() {
  local uptime rest
  read -r uptime rest </proc/uptime
  echo "${uptime%.*}"
}
size_of() { stat -c %s "$1"; }
now_ms() { awk '{ printf "%d\n", $1 * 1000 }' /proc/uptime; }
# holds_stream_of_xen FILE: a file of xl with Xen's own stream (of version 3) in it, which begins with these bytes.
holds_stream_of_xen() { head -c 8192 "$1" | xxd -p | tr -d '\n' | grep -q ffffffffffffffff58454e4600000003; }
mode_of() { stat -c %a "$1"; }

(
  read -r watcher _ </proc/self/stat
  end_slow_checks
) >/dev/null 2>&1 </dev/null &

# Guests ---------------------------------------------------------------------------------------------

# start_guest NAME VCPUS MIB [EXTRA_CONFIG_LINE…]: a PV guest whose workload checks WORKLOAD_MIB or a sixth of its
# memory: with more, small guests run out of it now and then. Beside that a worker for each vCPU, or WORKLOAD_WORKERS;
# WORKLOAD_STILL=still changes none of that memory.
start_guest() {
  guest_config "$@" >$work/"$1".cfg
  xl create -q $work/"$1".cfg
}

guest_config() {
  local name=$1 vcpus=$2 mib=$3
  shift 3
  cat <<CFG
name = "$name"
type = "pv"
kernel = "/lab/guest/vmlinuz"
ramdisk = "/lab/guest/initrd"
extra = "console=hvc0 quiet panic=1 nowatchdog workload=\"${WORKLOAD_MIB:-$((mib / 6))} ${WORKLOAD_WORKERS:-$vcpus} ${WORKLOAD_STILL-}\""
memory = $mib
vcpus = $vcpus
on_poweroff = "destroy"
on_reboot = "restart"
on_crash = "preserve"
CFG
  local line
  for line in "$@"; do echo "$line"; done
}

# What start_guest takes for a guest with the lab's disk, and with an interface on the bridge: its hardware address
# ends in N, and the guest takes the address 192.0.2.(100 + N).
# An interface takes 2 MB at the start, and Linux 6.1 has 1 MB less after each resumption: in 128 MiB such a guest is to
# have a small WORKLOAD_MIB, or the workload is killed for want of memory.
disk_line() { echo "disk = [\"phy:$LAB_DISK,xvda,w\"]"; }
network_line() { printf 'vif = ["bridge=xenbr0,mac=00:16:3e:00:00:%02x"]\n' "$1"; }

guest_log() { echo /var/log/xen/console/guest-"$1".log; }
lines_of() { wc -l <"$(guest_log "$1")" 2>/dev/null || echo 0; }

# log_since NAME LINE: what the guest printed after its first LINE lines.
log_since() { tail -n +$(($2 + 1)) "$(guest_log "$1")" | tr -d '\r'; }

ticks_since() { log_since "$1" "$2" | grep -c '^tick [0-9]* ok'; }

# runs NAME [TICKS]: the guest counts TICKS (3) further ticks, each within 60 s, finds no corrupted memory, and
# no clock of its goes backwards.
runs() {
  local name=$1 want=${2-3} from tries=240 counted=0 now
  from=$(lines_of "$name")
  while now=$(ticks_since "$name" "$from"); [ "$now" -lt "$want" ]; do
    # A guest that gets little of a busy machine counts slowly; one that hangs does not count.
    [ "$now" = "$counted" ] || tries=240
    counted=$now
    tries=$((tries - 1))
    if [ $tries -eq 0 ]; then
      echo "guest $name counted $counted ticks, expected $want, and none for 60 s; its last lines:"
      tail -n 8 "$(guest_log "$name")"
      xl list
      return 1
    fi
    usleep 250000
  done
  is_sound "$name"
}

# is_sound NAME: nothing that the guest ever printed is a complaint.
is_sound() {
  if grep -E 'CORRUPT|BUG:|Oops|Call Trace|Out of memory|back=[^n]' "$(guest_log "$1")"; then return 1; fi
}

# disk_number NAME: how many pieces went to the guest's disk and came back as they were, in all its boots.
disk_number() { log_since "$1" 0 | sed -n 's/^disk \([0-9][0-9]*\)$/\1/p' | tail -n 1; }
beyond() { [ "$(disk_number "$1")" -gt "$2" ]; }
# writes NAME: three further pieces do within 60 s.
writes() {
  within 60 beyond "$1" $(($(disk_number "$1") + 3)) || { tail -n 8 "$(guest_log "$1")"; return 1; }
  is_sound "$1"
}
# answers N: the guest with that address answers a ping.
answers() { ping -c 1 -W 5 192.0.2.$((100 + $1)); }

last_tick() { grep '^tick' "$(guest_log "$1")" | tail -n 1 | tr -d '\r'; }
tick_number() { last_tick "$1" | cut -d ' ' -f 2; }
boots_of() { grep -c '^workload of' "$(guest_log "$1")"; }

# booted NAME TIMES: the guest has started its workload TIMES times in all.
booted() { [ "$(boots_of "$1")" -ge "$2" ]; }

# continued NAME TICK: the guest went on from tick TICK instead of starting again.
continued() {
  local tick
  tick=$(tick_number "$1")
  [ "$tick" -gt "$2" ] || { echo "tick $tick is not after $2"; return 1; }
  [ "$(log_since "$1" 0 | grep -n '^workload of' | tail -n 1 | cut -d: -f1)" -lt \
    "$(log_since "$1" 0 | grep -n "^tick $2 ok" | tail -n 1 | cut -d: -f1)" ] ||
    { echo "the guest booted after tick $2"; return 1; }
}

# Domains --------------------------------------------------------------------------------------------

# state NAME: xl's six letters, such as "-b----" or "--ps--"; nothing if there is no such domain.
state() { xl list "$1" 2>/dev/null | awk 'NR == 2 { print $5 }'; }
has_state() {
  local seen
  seen=$(state "$1")
  case $seen in $2) ;; *) echo "state of $1 is '$seen', expected $2"; return 1 ;; esac
}
gone() { [ -z "$(state "$1")" ] || { xl list; return 1; }; }

# only NAME…: exactly dom0 and the named domains exist; a domain that is not quite dead counts too.
only() {
  local seen want
  seen=$(xl list | awk 'NR > 1 { print $1 }' | sort | tr '\n' ' ')
  want=$(printf '%s\n' Domain-0 "$@" | sort | tr '\n' ' ')
  [ "$seen" = "$want" ] || { echo "domains are: $seen; expected: $want"; xl list; return 1; }
}

destroy_all() {
  local name
  for name in $(xl list | awk 'NR > 2 { print $2 }'); do xl destroy "$name"; done
}

# Processes ------------------------------------------------------------------------------------------

# processes PATTERN: ids of the processes whose command line matches, this script's own aside.
processes() {
  local dir words
  for dir in /proc/[0-9]*; do
    [ "${dir#/proc/}" != $$ ] || continue
    # Most are the kernel's own; a program is started only for the others.
    words=
    { read -r words <$dir/cmdline; } 2>/dev/null
    [ -n "$words" ] || continue
    { tr '\0' ' ' <$dir/cmdline; } 2>/dev/null | grep -qE "^[^ ]*$1" && echo "${dir#/proc/}"
  done
}
is_running() { [ -n "$(processes "$1")" ]; }

# no_lock_held: a killed process leaves its lock's file, but the file is nobody's lock any more.
no_lock_held() {
  local file inode
  for file in /run/ferry/*.lock; do
    [ -e "$file" ] || continue
    inode=$(stat -c %i "$file")
    if grep ":$inode " /proc/locks; then
      echo "$file is still locked"
      return 1
    fi
  done
}

# stalled_pipe FIFO BYTES: makes FIFO with a reader that takes BYTES and then no more, until it is killed.
stalled_pipe() {
  rm -f "$1"
  mkfifo "$1"
  sh -c "trap 'cat >/dev/null; exit' USR1; head -c $2 >/dev/null; while :; do usleep 200000; done" <"$1" &
  reader=$!
}
# drain_pipe: the reader takes the rest after all.
drain_pipe() { kill -USR1 "$reader"; }
release_pipe() {
  kill "$reader" 2>/dev/null
  wait "$reader" 2>/dev/null
}

# in_background COMMAND…: starts COMMAND as a terminal would; its id (and its group's) is $job.
in_background() {
  own-group "$@" >$work/job.log 2>&1 &
  job=$!
}

has_ended() { [ ! -e /proc/"$1" ] || grep -qs '^State:.Z' /proc/"$1"/status || [ ! -e /proc/"$1" ]; }

# ends SECONDS: the job ends in time; its exit status is $job_status.
ends() {
  within "$1" has_ended "$job" || return 1
  wait "$job"
  job_status=$?
  cat $work/job.log
}
# before_it_ends COMMAND…: COMMAND succeeds while the job still runs, however long that takes.
before_it_ends() {
  while ! "$@"; do
    ! has_ended "$job" || "$@" || { echo "the job ended and it was never so: $*"; cat $work/job.log; return 1; }
    usleep 100000
  done
}
ends_with() { ends "$2" && { [ $job_status -eq "$1" ] || { echo "status $job_status, not $1"; return 1; }; }; }
