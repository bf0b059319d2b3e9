# xl migrate of a running guest on a hypervisor that has no dirty log: with ferry's helper it works, five times
# in a row, while the stock helper fails in the same boot. Then live saves, and what stops them. On a hypervisor that
# has one (tools/lab --xen) all of it is done by that.
name=mover
. "$LAB_TESTS/lib.sh"
. "$LAB_TESTS/failing.sh"
. "$LAB_TESTS/pause.sh"
export LIBXL_SAVE_HELPER=/usr/local/bin/ferry-save-helper

# The receiver runs on this very host: "ssh" is a script that drops the host's name.
printf '#!/bin/sh\nshift\nexec "$@"\n' >$work/here
chmod +x $work/here
migrate() { xl -vvv migrate -s $work/here $name localhost; }

# A guest that came by migration has its console under the name it had while it came.
moved=
guest_log() {
  if [ "$1" = $name ] && [ -n "$moved" ]; then
    echo /var/log/xen/console/guest-$name--incoming.log
  else
    echo /var/log/xen/console/guest-"$1".log
  fi
}
longest_pause() { longest_gap "$1" <$work/ticks; }

one_migration() { # N
  local tick
  tick=$(tick_number $name)
  check "migration $1: xl migrate" migrate || return
  cp $work/check.log $work/migrate.log
  moved=yes
  check "migration $1: its pages were found by ${FERRY_TRACK:-content}" grep -q "by ${FERRY_TRACK:-content}" $work/migrate.log
  check "migration $1: exactly one copy is there" only $name
  check "migration $1: counts, memory, page tables and clocks intact" runs $name
  check "migration $1: goes on where it was" [ "$(tick_number $name)" -gt "$tick" ]
  note "migration $1: $(grep -h -o '[0-9]* rounds by.*' $work/migrate.log | head -n 1)"
  note "migration $1: longest pause between two ticks $(longest_pause "$tick") ms, before it $usual ms"
  grep -h -o 'round [0-9]*: .*' $work/migrate.log | tail -n 1 | sed 's/^/#   decided: /'
}

# Every instruction is emulated: what takes milliseconds elsewhere takes seconds here.
export FERRY_MAX_DOWNTIME=2500 FERRY_MAX_ROUNDS=2 FERRY_LEVEL=0

watch_ticks $name
check "a guest with 2 vCPUs starts" start_guest $name 2 128
check "it counts" runs $name

if xl info virt_caps | grep -qw shadow; then
  note "this Xen has shadow paging: migrations use its dirty log"
  export FERRY_TRACK=logdirty
else
  export LIBXL_SAVE_HELPER=$stock_helper
  check "xl migrate with the stock helper fails" not migrate
  cp $work/check.log $work/stock.log
  note "it says: $(grep -h -i 'logdirty' $work/stock.log | head -n 1)"
  check "because there is no dirty log" grep -qi 'Failed to enable logdirty' $work/stock.log
  check "the guest runs on" runs $name
  check "and is alone" within 20 only $name
  export LIBXL_SAVE_HELPER=/usr/local/bin/ferry-save-helper
  check "ferry, told to use the dirty log, fails too" not env FERRY_TRACK=logdirty \
    xl migrate -s $work/here $name localhost
  check "the guest runs on after that" runs $name
  check "and is alone after that" within 20 only $name
fi

usual=$(longest_pause 1)
check "ferry check finds nothing against it" ferry check $name
note "$(head -n 1 $work/check.log)"
check "ferry check knows no other guest" not ferry check nobody
check "ferry estimate" ferry estimate --max-rounds 2 $name
note "$(tr '\n' ' ' <$work/check.log)"
check "the guest runs on after that estimate" runs $name

for n in 1 2 3 4 5; do one_migration $n; done
stop_watching

# To a host that has only the stock helper: the receiver gets Xen's own stream.
printf '#!/bin/sh\nshift\nunset LIBXL_SAVE_HELPER\nexec "$@"\n' >$work/stock_here
chmod +x $work/stock_here
tick=$(tick_number $name)
check "to a stock receiver: xl migrate" env FERRY_STREAM=libxc xl migrate -s $work/stock_here $name localhost
check "to a stock receiver: exactly one copy is there" only $name
check "to a stock receiver: counts, memory, page tables and clocks intact" runs $name
check "to a stock receiver: goes on where it was" [ "$(tick_number $name)" -gt "$tick" ]

# Told to stop while it sends, slowly: the guest stays here, and nothing is left of the other copy.
sending() { is_running '[^ ]*ferry-save-helper --save' && sleep 2; }
check "Ctrl-C hits xl migrate while it sends" interrupt sending env FERRY_BANDWIDTH=1 \
  xl migrate -s $work/here $name localhost
check "no other copy is left" within 20 only $name
intact "Ctrl-C while migrating"
check "Ctrl-C hits ferry save --live" interrupt sending ferry save --live --keep --bandwidth 1 $name $work/cut.ferry
intact "Ctrl-C while saving live"
check "no file is left" [ -z "$(ls -A $work | grep cut)" ]

# A guest that balloons while its frames are mapped gets its memory back.
xl destroy $name
moved=
# Its memory has to do for the workload without those 64 MiB too.
WORKLOAD_MIB=16
guest_config $name 2 224 >$work/$name.cfg
check "a larger guest starts" xl create -q $work/$name.cfg
check "it counts too" runs $name
has_mib() { [ "$(xl list $name | awk 'NR == 2 { print $3 }')" "$1" "$2" ]; }
ferry save --live --keep --bandwidth 4 $name $work/live.ferry >$work/live.log 2>&1 &
saving=$!
check "a slow live save begins" within 30 sending
for n in 1 2; do
  check "the guest balloons 64 MiB out, $n" xl mem-set $name 160
  check "Xen has them back, $n" within 60 has_mib -le 162
  xl mem-set $name 224
  start=$(now_ms)
  check "and gets them again, $n" within 60 has_mib -ge 223
  note "within $(($(now_ms) - start)) ms"
done
check "the save was still under way" is_running '[^ ]*ferry-save-helper --save'
check "it ends well" wait $saving
note "$(tail -n 1 $work/live.log)"
check "the guest runs on" runs $name
check "the image of a guest that ballooned audits clean" ferry audit $work/live.ferry
xl destroy $name
check "it is restored" ferry restore $work/live.ferry
moved=
check "the restored guest counts, all of it intact" runs $name
check "no lock is held" no_lock_held
xl destroy $name
end_of_checks
