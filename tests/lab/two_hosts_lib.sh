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

orders=0
order() { # TEXT: the next command for the second host; nothing ends it
  printf '%s' "$1" >$COMMON/do.new
  mv $COMMON/do.new $COMMON/do.$orders
}
# there COMMAND…: runs it on the second host, in a shell that has lib.sh; prints what it printed, ends as it ended.
there() {
  order "$*
"
  while [ ! -e $COMMON/status.$orders ]; do usleep 50000; done
  cat $COMMON/out.$orders
  orders=$((orders + 1))
  return "$(cat $COMMON/status.$((orders - 1)))"
}
end_there() { order ''; }
