# The demonstration: a guest is created, saved, audited, restored, and goes on counting.
. "$LAB_TESTS/lib.sh"
name=demo
image=$work/demo.ferry

give_up() { # WHAT
  echo "demo: $1"
  [ ! -e $work/step.log ] || tail -n 20 $work/step.log
  exit 1
}
step() { # WHAT COMMAND…: what it says only matters if it fails
  local what=$1
  shift
  "$@" >$work/step.log 2>&1 || give_up "$what failed"
}
sum_of() { last_tick $name | sed 's/.*sum=//'; }

echo "1. A Linux PV guest of 192 MiB with 2 vCPUs is created; it forks, maps, and checks its memory"
step "creating the guest" start_guest $name 2 192
step "the guest" runs $name 3
tick=$(tick_number $name)
sum=$(sum_of)
echo "   created: it counts (tick $tick), memory checksum $sum"

echo "2. ferry save $name $image"
started=$(now_ms)
step "ferry save" ferry save $name $image
took=$(($(now_ms) - started))
guest_bytes=$((192 * 1024 * 1024))
echo "   saved: $guest_bytes bytes of guest, $(size_of $image) bytes of image, $took ms (emulated)"
gone $name || give_up "the saved guest is still there"

echo "3. ferry audit $image"
step "ferry audit" ferry audit $image
tail -n 1 $work/step.log | sed 's/^/   /'
echo "   audited clean"

echo "4. ferry restore $image"
started=$(now_ms)
step "ferry restore" ferry restore $image
echo "   restored in $(($(now_ms) - started)) ms (emulated)"
step "the restored guest" runs $name 5
continued $name "$tick" || give_up "the guest did not go on where it was"
[ "$(sum_of)" = "$sum" ] || give_up "the memory checksum changed from $sum to $(sum_of)"
echo "   still counting (tick $tick before, tick $(tick_number $name) now), memory checksum $sum as before"
echo "demo: guest created, saved, audited clean, restored, and still counting with its memory checksum right"
