# The second of two hosts does what the first one tells it. Sourced by both, after lib.sh.

# Every instruction is emulated: what takes milliseconds elsewhere takes seconds here.
export FERRY_MAX_DOWNTIME=3000 FERRY_MAX_ROUNDS=3 FERRY_LEVEL=1

#
# $COMMON is a folder that both see: do.N is a command for the second host, out.N what it printed, status.N how it
# ended. The first host's script is in control all the time.

# second_host_serves: where a script parts: on the second host it only does what it is told, and ends.
second_host_serves() {
  [ "$LAB_HOST" = 2 ] || return 0
  serve_commands
  exit
}
# serve_commands: what the second host's script is.
serve_commands() {
  local n=0
  while :; do
    while [ ! -e $COMMON/do.$n ]; do usleep 50000; done
    [ -s $COMMON/do.$n ] || return 0
    (. $COMMON/do.$n) >$COMMON/out.$n 2>&1
    echo $? >$COMMON/status.new
    mv $COMMON/status.new $COMMON/status.$n
    n=$((n + 1))
  done
}

# The number of the next command; in a file, because subshells give orders too.
echo 0 >$work/orders
order() { # TEXT: the next command for the second host; nothing ends it
  local n
  n=$(cat $work/orders)
  echo $((n + 1)) >$work/orders
  printf '%s' "$1" >$COMMON/do.new
  mv $COMMON/do.new $COMMON/do."$n"
}
# there COMMAND…: runs it on the second host, in a shell that has lib.sh; prints what it printed, ends as it ended.
# Has to end within the time that a check has.
there() {
  local n tries=$((check_seconds * 20))
  n=$(cat $work/orders)
  order "$*
"
  while [ ! -e $COMMON/status."$n" ]; do
    tries=$((tries - 1))
    [ $tries -gt 0 ] || { echo "the second host does not answer to: $*"; return 124; }
    usleep 50000
  done
  cat $COMMON/out."$n"
  return "$(cat $COMMON/status."$n")"
}
end_there() { order ''; }

# Guests that came, and receivers ---------------------------------------------------------------------

# A guest that came by migration has its console under the name it had while it came.
guest_log() {
  local came=/var/log/xen/console/guest-$1--incoming.log
  if [ -e "$came" ]; then echo "$came"; else echo /var/log/xen/console/guest-"$1".log; fi
}
listens() { netstat -ltn 2>/dev/null | grep -q ' 0.0.0.0:8002 '; }
# What the second host's receiver says about a check that failed.
theirs() { there "sed 's/^/#   there: /' $work/receive.log"; }
stop_receiving() {
  kill "$(cat $work/receive.pid)"
  within 20 not listens
}
no_open_job() { [ "$(ferry job list | wc -l)" = 1 ] || { ferry job list; return 1; }; }

# Where who may call is not the subject, one certificate, its own authority, is for both hosts: both call
# use_one_certificate, the first one makes it, and the second one takes it.
use_one_certificate() {
  export FERRY_TLS_CA=$work/cert.pem FERRY_TLS_CERT=$work/cert.pem FERRY_TLS_KEY=$work/key.pem
  receive() {
    ferry receive >$work/receive.log 2>&1 &
    echo $! >$work/receive.pid
    within 30 listens
  }
}
make_one_certificate() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 2 -subj '/CN=lab' \
    -addext subjectAltName=DNS:host1.lab,DNS:host2.lab -keyout $COMMON/key.pem -out $COMMON/cert.pem 2>/dev/null
  take_certificate
}
take_certificate() {
  cp $COMMON/cert.pem $COMMON/key.pem $work/ && chmod 600 $work/key.pem
}

# The pause of a guest that changes hosts: needs pause.sh, and watch_ticks on both ---------------------------

# longest_pause FROM [FILE]: milliseconds between two ticks from tick FROM on, at most, on both hosts' consoles together.
longest_pause() {
  local file=$work/${2-ticks}
  { cat $file; there cat $file | awk -v ahead="$ahead" '{ print $1, $2 - ahead }'; } | longest_gap "$1"
}
# tell_pause WHAT FROM [FILE]
tell_pause() {
  note "$1: longest pause between two ticks $(longest_pause "$2" "${3-ticks}") ms, before it $usual ms, give or take $((way / 2)) ms"
}
# start_mover: the guest $name, whose ticks are watched on both hosts from here on.
start_mover() {
  compare_clocks
  watch_ticks $name
  there watch_ticks $name
  check "a guest with 2 vCPUs starts" start_guest $name 2 128
  check "it counts" runs $name 10
  usual=$(longest_pause 1)
}
# arrived_there WHAT TICK, arrived_here WHAT TICK: it is there only, sound, and goes on after TICK.
arrived_there() {
  check "$1: it is gone here" within 20 only
  check "$1: it counts, memory, page tables and clocks intact" there runs $name
  check "$1: it goes on where it was" [ "$(there tick_number $name)" -gt "$2" ]
}
arrived_here() {
  check "$1: it is gone there" there within 20 only
  check "$1: it counts, memory, page tables and clocks intact" runs $name
  check "$1: it goes on where it was" [ "$(tick_number $name)" -gt "$2" ]
}
# How many milliseconds the second host's clock is ahead of this one's; half of the way there and back may be wrong.
compare_clocks() {
  local before theirs
  before=$(now_ms)
  theirs=$(there now_ms)
  way=$(($(now_ms) - before))
  ahead=$((theirs - before - way / 2))
}
