# ferry migrate to ferry receive, on this very host: the guest runs on, exactly once, whatever dies on the way.
name=mover
. "$LAB_TESTS/lib.sh"
. "$LAB_TESTS/failing.sh"
export FERRY_MAX_DOWNTIME=2500 FERRY_MAX_ROUNDS=4 FERRY_LEVEL=1
via='ferry receive --stdio'

# A guest that came by migration has its console under the name it had while it came.
moved=
guest_log() {
  if [ "$1" = $name ] && [ -n "$moved" ]; then
    echo /var/log/xen/console/guest-$name--incoming.log
  else
    echo /var/log/xen/console/guest-"$1".log
  fi
}
no_open_job() { [ "$(ferry job list | wc -l)" = 1 ]; }

check "a guest with 2 vCPUs starts" start_guest $name 2 128
check "it counts" runs $name
for n in 1 2; do
  tick=$(tick_number $name)
  check "migration $n: ferry migrate" ferry migrate $name --via "$via"
  note "$(grep -h '^migrated' $work/check.log)"
  moved=yes
  check "migration $n: exactly one copy is there" only $name
  check "migration $n: counts, memory, page tables and clocks intact" runs $name
  check "migration $n: goes on where it was" [ "$(tick_number $name)" -gt "$tick" ]
  check "migration $n: no job is open" no_open_job
done

check "a receiver that is not there is told" fails_with 1 'hung up|does not take the call' ferry migrate $name --via 'exit 1'
check "the guest runs on" runs $name

sending() { is_running '[^ ]*ferry-save-helper --save' && sleep 2; }
check "Ctrl-C hits ferry migrate while it sends" interrupt sending \
  ferry migrate --bandwidth 1 $name --via "$via"
check "no other copy is left" within 20 only $name
check "the guest runs on here" runs $name
check "no job is open" no_open_job

ferry migrate --bandwidth 1 $name --via "$via" >$work/migrate.log 2>&1 &
migrating=$!
check "a slow migration begins" within 30 sending
check "ferry job info tells where it is" ferry job info $name
note "$(tr '\n' ' ' <$work/check.log)"
check "ferry job set makes it slower still" ferry job set --bandwidth 2 --max-downtime 900 $name
check "ferry job cancel stops it" ferry job cancel $name
check "it ends within seconds" within 20 has_ended $migrating
wait $migrating
check "with status 1" [ $? = 1 ]
note "it says: $(tail -n 1 $work/migrate.log)"
check "no other copy is left of it" within 20 only $name
check "the guest runs on here after it" runs $name
check "no job of it is open" within 20 no_open_job

ferry migrate --bandwidth 1 $name --via "$via" >$work/migrate.log 2>&1 &
migrating=$!
check "one more slow migration begins" within 30 sending
kill -9 $(processes "[^ ]*ferry-host receive --stdio" | awk "{ print \$1 }")
check "the receiver is killed: ferry migrate ends" within 60 has_ended $migrating
check "it fails" not wait $migrating
check "no other copy is left then" within 30 only $name
check "the guest runs on here then" runs $name
left=$(ferry job list | awk 'NR == 2 { print $1 }')
check "the receiver's job is open" [ -n "$left" ]
check "the guest reboots on request" xl reboot $name
moved=
check "no lock is held" within 20 no_lock_held
xl destroy $name
end_of_checks
