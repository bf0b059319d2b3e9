# Two commands on one guest at the same time, as in tests/pairs, on real Xen: the first is held before one of its calls
# that change a file, a socket or a domain, while the second runs as far as it can; then the first goes on, or is killed
# there. Afterwards exactly one copy runs, with memory as new as its disk, with no more help than tests/pairs/README.md
# allows.
#
# points.sh [FROM [TO]]: only these cases. Needs --with …/libferry-points.so.
name=web1
check_seconds=400
. "$LAB_TESTS/lib.sh"
# Every instruction is emulated: what takes milliseconds elsewhere takes seconds here.
export FERRY_MAX_DOWNTIME=3000 FERRY_MAX_ROUNDS=1 FERRY_LEVEL=0 FERRY_THREADS=1 FERRY_HANDOVER_TIMEOUT=120 WORKLOAD_MIB=8
points=/usr/local/bin/libferry-points.so
helper=/usr/local/bin/ferry-save-helper
# What `ferry COMMAND` becomes: a program that is to be held has to be started itself.
ferry=/usr/local/libexec/ferry-host
from=${1:-1} to=${2:-999} number=0

# The commands, each in place of its shell; $own is "first" or "second" ----------------------------------

save() { run $ferry save --quiet $name $work/$own.image; }
save_keep() { run $ferry save --quiet --keep $name $work/$own.kept; }
migrate() { run $ferry migrate --quiet $name --via $work/$own.receiver; }
resume() { run $ferry resume $name; }
job_abort() { run $ferry job abort "$(open_jobs | head -n 1)"; }
xl_save() { run xl save $name $work/$own.xl; }
xl_migrate() { run xl migrate -s $work/here $name localhost; }
xl_destroy() { run xl destroy $name; }
xl_rename() { run xl rename $name moon; }
xl_pause() { run xl pause $name; }

run() {
  [ $part != command ] || export LD_PRELOAD=$points FERRY_SIM_HOLD_AT="$hold"
  export LIBXL_SAVE_HELPER=$work/$own.helper FERRY_SAVE_HELPER=$work/$own.helper
  exec "$@"
}
# What a command starts: a script that holds it, if that is the part to be held.
script() { # PART PROGRAM…
  local its=$1 file=$work/$own.$1
  shift
  {
    echo '#!/bin/sh'
    # What a receiver starts is not held.
    [ $its != receiver ] || echo "export LIBXL_SAVE_HELPER=$helper"
    # Once: the operator's commands call the receiver again.
    [ $its != $part ] || echo "! rm $work/$own.hold 2>/dev/null || export LD_PRELOAD=$points FERRY_SIM_HOLD_AT='$hold'"
    echo "exec $* \"\$@\""
  } >$file
  chmod 755 $file
}
# "ssh" to this very host.
printf '#!/bin/sh\nshift\nLIBXL_SAVE_HELPER=%s exec "$@"\n' $helper >$work/here
chmod 755 $work/here

# begin OWN COMMAND PART HOLD: what it says is in OWN.log, how it ended in OWN.status.
begin() {
  own=$1 part=$3 hold=$4
  : >$work/$own.hold
  script helper $helper
  script receiver $ferry receive --stdio
  {
    ($2) >$work/$own.log 2>&1 </dev/null
    echo $? >$work/$own.new
    mv $work/$own.new $work/$own.status
  } &
}
ended() { [ -e $work/$1.status ]; }
status_of() { cat $work/$1.status 2>/dev/null || echo none; }
succeeded() { [ "$(status_of $1)" = 0 ]; }
killed() { ended $1 && [ "$(status_of $1)" -gt 128 ]; }

# What there is of the guest -----------------------------------------------------------------------------

# look: $copies is a line "DOMID NAME STATE" a copy, $there and $running are how many there are and may run.
look() {
  copies=$(xl list | awk 'NR > 2 { print $2, $1, $5 }')
  there=$(printf '%s' "$copies" | grep -c .)
  running=$(printf '%s' "$copies" | grep -cv '^[^ ]* [^ ]* .*[psd]')
}
suspended() { echo "$copies" | awk '$3 ~ /s/ && $3 !~ /d/ && $2 !~ /--incoming/ { print $1 }'; }
one_copy_runs() { look; [ $there = 1 ] && [ $running = 1 ]; }
at_most_one_runs() {
  look
  [ $running -le 1 ] || { echo "two copies of the guest run: $copies"; return 1; }
}
open_jobs() { ferry job list | grep -oE '[0-9a-f]{32}' | sort -u; }

logs() { cat /var/log/xen/console/guest-*.log | tr -d '\r'; }
more_than() { [ "$(logs | grep -c "$1")" -gt "$2" ]; }
# It counts, writes to its disk, and no copy ever found the disk to be newer than its memory.
goes_on() {
  local ticks disk
  ticks=$(logs | grep -c '^tick [0-9]* ok') disk=$(logs | grep -c '^disk [0-9]')
  within 60 more_than '^disk [0-9]' $((disk + 1)) && within 60 more_than '^tick [0-9]* ok' $((ticks + 1)) && is_sound_all
}
is_sound_all() { ! logs | grep -E 'CORRUPT|BUG:|Oops|Call Trace|Out of memory|back=[^n]'; }

# One case -----------------------------------------------------------------------------------------------

# meet FIRST PART HOLD THEN SECOND: PART of the first is held at the point HOLD; THEN it is let "go", or "kill"ed.
meet() {
  number=$((number + 1))
  [ $number -ge $from ] && [ $number -le $to ] || return 0
  check "$1, $2 held before ($3), meets $5: $4" is_kept "$@" || start_anew
}
is_kept() {
  local first=$1 part=$2 hold=$3 then=$4 second=$5
  rm -f $work/first.* $work/second.*
  begin first $first $part "$hold,$work"
  comes_to_point && at_most_one_runs || { cat $work/first.log; give_up; return 1; }
  begin second $second nothing ""
  goes_as_far_as_it_can
  at_most_one_runs
  local one=$?
  if [ $then = go ]; then printf '\001' >&8; else printf '\002' >&8; fi
  within 100 ended first
  local both=$?
  # What a killed one has left may be all that the second waits for.
  [ $then = go ] || within 20 ended second || clear_up
  within 100 ended second || both=1
  tell first $first
  tell second $second
  [ $one = 0 ] && [ $both = 0 ] && at_most_one_runs && do_what_was_named && clear_up && judge
}
tell() { echo "$2 ended with $(status_of $1): $(tail -n 2 $work/$1.log | tr '\r\n' '  ')"; }
give_up() {
  printf '\002' >&8
  within 30 ended first
}
comes_to_point() {
  local tries=180
  while ! read -r -t 1 point <&7; do
    tries=$((tries - 1))
    [ $tries -gt 0 ] && ! ended first || { echo "the first does not come to that point"; return 1; }
  done
  echo "held before: $point"
}
# Until it has ended or done next to nothing for two seconds: it waits for the first.
goes_as_far_as_it_can() {
  local tries=40 still=0 before now
  before=$(busy_time)
  while ! ended second && [ $tries -gt 0 ] && [ $still -lt 4 ]; do
    usleep 500000
    now=$(busy_time)
    if [ $((now - before)) -le 2 ]; then still=$((still + 1)); else still=0; fi
    before=$now
    tries=$((tries - 1))
  done
}
# CPU time, in hundredths of a second, of everything that may be a part of a command.
busy_time() {
  cat /proc/[0-9]*/stat 2>/dev/null | awk '$2 ~ /^\((ferry|xl)/ { all += $14 + $15 } END { print all + 0 }'
}

# The operator: what a sentence names; after a kill, what the documents say.
operator() { # COMMAND [TIMES]
  local status
  timeout 60 sh -c "$1" >$work/operator.log 2>&1 </dev/null
  status=$?
  echo "operator: $1: $status: $(tail -n 1 $work/operator.log)"
  [ $status -ne 4 ] || [ "${2:-1}" -ge 3 ] || operator "$(named $work/operator.log)" $((${2:-1} + 1))
}
named() { sed -n 's/.*try: //p' "$1" | tail -n 1; }
do_what_was_named() {
  local who command
  for who in first second; do
    [ "$(status_of $who)" = 4 ] || continue
    command=$(named $work/$who.log)
    [ -n "$command" ] || { echo "exit code 4, and no command"; return 1; }
    operator "$command"
    at_most_one_runs || return 1
  done
}
clear_up() {
  [ $then = kill ] || killed first || killed second || return 0
  local job domid force=
  for job in $(open_jobs); do operator "ferry job resume $job"; done
  # xl leaves nothing to go by when it is killed itself.
  case $first.$part in xl_*.command) force=--force ;; esac
  # An image that was not yet said to be good is not what counts, unless the guest is gone.
  at_most_one_runs || return 1
  for domid in $(suspended); do [ $running -gt 0 ] || operator "ferry resume $force $domid"; done
  at_most_one_runs
}

judge() {
  within 40 settles || { echo "this is left: $copies"; ferry job list; return 1; }
  # Killed when its image was good already and the guest was about to be destroyed.
  if [ $running = 0 ] && [ -n "$(image_of killed)" ]; then destroy_all; look; fi
  if [ $there = 0 ]; then
    bring_back || return 1
  else
    [ -z "$(image_of succeeded)" ] || { echo "a command said that the guest is in its image, and there is a copy"; return 1; }
  fi
  [ $second != xl_pause ] || xl unpause "$(echo "$copies" | cut -d ' ' -f 1)"
  within 20 one_copy_runs || { echo "not one copy runs: $copies"; return 1; }
  [ "$(echo "$copies" | cut -d ' ' -f 2)" = $name ] || xl rename "$(echo "$copies" | cut -d ' ' -f 1)" $name || return 1
  goes_on
}
# Nothing half made is left, and nobody who is still at it: a receiver, that is.
settles() { ! pidof ferry-host >/dev/null && { look; [ $there -le 1 ]; } && [ -z "$(open_jobs)" ]; }
# Of a command that moves the guest out and succeeded, or was killed.
image_of() {
  local who file
  for who in first second; do
    for file in $work/$who.image $work/$who.xl; do [ ! -s $file ] || ! $1 $who || { echo $file; return; }; done
  done
}
bring_back() {
  local image
  image=$(image_of succeeded)
  [ -n "$image" ] || image=$(image_of killed)
  if [ -n "$image" ]; then
    case $image in *.xl) operator "xl restore $image" ;; *) operator "ferry restore $image" ;; esac
  elif [ $second = xl_destroy ]; then
    start_guest $name 1 128 "$(disk_line)"
  else
    echo "no copy of the guest is left"
    return 1
  fi
}

start_anew() {
  local process
  for process in $(processes '[^ ]*(ferry-host|ferry-save-helper|xl) '); do kill -9 "$process" 2>/dev/null; done
  destroy_all
  rm -rf /var/lib/ferry/jobs /run/ferry
  rm -f $work/held $work/go /var/log/xen/console/guest-*.old
  begin_holding
  for log in /var/log/xen/console/guest-*.log; do : >"$log"; done
  start_guest $name 1 128 "$(disk_line)" && goes_on
}
begin_holding() {
  rm -f $work/held $work/go
  mkfifo $work/held $work/go
  exec 7<>$work/held 8<>$work/go
}

export LIBXL_SAVE_HELPER=$helper
begin_holding
check "a guest with a disk starts" start_guest $name 1 128 "$(disk_line)" || { end_of_checks; exit 1; }
check "it goes on" goes_on
began=$(now_ms)

meet save command '1:lock' go save
meet save command '2:open domain-' go save
meet save command '1:link' go migrate
meet save command '1:rename' go xl_save
meet save command '1:rename' kill xl_migrate
meet save command '1:pause a domain' go xl_save
meet save command '1:pause a domain' kill resume
meet save helper '1:sync a file' go migrate
meet save helper '1:sync a file' kill save
meet save_keep command '1:resume a domain' go xl_save
meet save_keep command '1:resume a domain' kill migrate
meet xl_save helper '1:lock' go save
meet xl_save helper '2:open domain-' go xl_save
meet xl_save helper '1:sync a file' go save
meet xl_save helper '1:sync a file' kill save
meet xl_save helper '1:sync a file' kill xl_save
meet xl_save command '1:pause a domain' go save
meet migrate command '1:rename' go resume
meet migrate command '2:open domain-' go job_abort
meet migrate command '2:rename' go resume
meet migrate command '2:rename' go xl_rename
meet migrate command '2:rename' go xl_destroy
meet migrate command '2:rename' kill job_abort
meet migrate command '2:rename' kill resume
meet migrate command '1:pause a domain' go xl_pause
meet migrate receiver '1:unpause a domain' go save
meet migrate receiver '1:unpause a domain' kill job_abort
meet migrate receiver '1:rename' kill xl_rename
meet xl_migrate helper '2:open domain-' go save
meet xl_migrate helper '2:open domain-' kill save
meet xl_migrate command '1:pause a domain' go save
note "$number points, $((($(now_ms) - began) / 1000)) s"

# What the guest would say if its memory were older than its disk.
check "a copy of the guest is kept" ferry save --quiet --keep $name $work/old.image
check "the guest goes on" goes_on
xl destroy $name
check "an old image is restored by force" ferry restore --force $work/old.image
check "its memory is older than its disk, and it says so" within 60 not is_sound_all
destroy_all
end_of_checks
