# The second of two hosts does what the first one tells it. Sourced by both, after lib.sh.
#
# $COMMON is a folder that both see: do.N is a command for the second host, out.N what it printed, status.N how it
# ended. The first host's script is in control all the time.

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
# Has to end within five minutes.
there() {
  local n tries=6000
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
