# Functions for scripts in which a save fails half way. Sourced after lib.sh, with $name set to the guest.

# intact WHAT: after a save that failed, in one check.
intact() { check "$1: the guest runs on, nothing is left" is_intact; }
is_intact() {
  within 20 not is_running '(ferry|xl save)' || return 1
  runs $name 2 || return 1
  only $name || return 1
  no_lock_held
}

suspended() { has_state $name '???s??'; }
# Of domain $domid. Looks often: on a busy machine even a slow guest answers between two looks of a slow script.
asked_to_suspend() {
  local looks=100
  while [ $looks -gt 0 ]; do
    [ "$(xenstore-read "/local/domain/$domid/control/shutdown")" != suspend ] || return 0
    looks=$((looks - 1))
  done
  return 1
}

# slow_down PERCENT: of a CPU that the guest gets, 0 for no limit. A guest that has just been limited still
# has time to spend, so it is given a while to spend it.
slow_down() {
  xl sched-credit2 -d $name -c "$1"
  [ "$1" -eq 0 ] || sleep 3
}

# interrupt WHEN COMMAND…: starts COMMAND, and once WHEN holds does what Ctrl-C on a terminal does. Returns 2 if
# WHEN never was seen to hold.
interrupt() {
  local when=$1
  shift
  in_background "$@"
  before_it_ends "$when" || { kill -KILL -"$job"; return 2; }
  kill -INT -"$job"
  ends 30 || return 1
  [ $job_status -ne 0 ] || { echo "the command ended well in spite of Ctrl-C"; return 1; }
}

# interrupt_early COMMAND…: Ctrl-C while the guest has been asked to suspend and has not answered. On a busy machine it
# may answer between two looks all the same, so COMMAND can be given again: it keeps the guest, or waits for a reader.
interrupt_early() {
  local status=2 tries=5
  domid=$(xl domid $name)
  slow_down 1
  while [ $status -eq 2 ] && [ $tries -gt 0 ]; do
    interrupt asked_to_suspend "$@"
    status=$?
    tries=$((tries - 1))
  done
  slow_down 0
  return $status
}

# kill_one SIGNAL PATTERN COMMAND…: starts COMMAND, and kills the process that matches once the guest is suspended.
kill_one() {
  local signal=$1 pattern=$2
  shift 2
  in_background "$@"
  before_it_ends suspended || { kill -KILL -"$job"; return 1; }
  kill -"$signal" $(processes "$pattern") || return 1
  ends 30
}
