# Kernels that do one thing wrong (kernel/wrong.h), each saved by stock xl and by ferry: whatever becomes of the save, a
# guest that was not saved runs on. What each engine did is a line.
# tools/lab --with build/release/guests/ferry_kernel tests/lab/wrong_kernels.sh [WRONG…]
check_seconds=400
. "$LAB_TESTS/lib.sh"
. "$LAB_TESTS/kernel_lib.sh"
[ $# -gt 0 ] || set -- frame pins p2m moving deaf twice

# What a command that failed had to say, in one line.
reason() { grep -iE 'bad|error|ferry' $work/command.log | grep -v '^libxl' | head -n 1 | cut -c 1-150; }
fate() { # NAME: how the guest is now
  if [ -z "$(state "$1")" ]; then
    echo "gone"
  elif runs "$1" >/dev/null; then
    echo "runs on"
  else
    case $(state "$1") in
      *c*) echo "crashed" ;;
      *) echo "complains or stands still: $(grep -E 'CORRUPT|BUG' "$(guest_log "$1")" | head -n 1 | cut -c 1-80)" ;;
    esac
  fi
}

# ends COMMAND…: in five minutes, well or not; with what, is in status and $work/command.log.
ends() {
  timeout 300 "$@" >$work/command.log 2>&1
  status=$?
  [ $status -ne 143 ] && [ $status -ne 124 ] || { cat $work/command.log; return 1; }
}

attempt() { # WRONG ENGINE
  local name=$1-$2 said
  check "$name: starts and works" start_kernel $name 1 48 "wrong=$1" "maxmem = 64" || return
  check "$name: works" within 60 runs $name || return
  check "$name: the save comes to an end" ends $2 save $name $work/$name.save
  if [ $status -eq 0 ]; then
    said="saved"
    check "$name: so does the restore" ends $2 restore $work/$name.save
    if [ $status -eq 0 ]; then
      said="$said, restored; the guest: $(fate $name)"
    else
      said="$said, not restored: $(reason)"
    fi
  else
    said="not saved: $(reason); the guest: $(fate $name)"
    check "$name: a guest that was not saved is still there" [ -n "$(state $name)" ]
    [ $2 = xl ] || check "$name: and runs on" runs $name
  fi
  note "$1 | $2 | $said"
  xl destroy $name 2>/dev/null
}

for wrong in "$@"; do
  for engine in xl ferry; do attempt $wrong $engine; done
done
end_of_checks
