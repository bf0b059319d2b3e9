# A guest with a disk that both hosts see, and a network, migrates to the other host and back, and goes on with both.
name=device
. "$LAB_TESTS/lib.sh"
. "$LAB_TESTS/two_hosts_lib.sh"
export FERRY_MAX_ROUNDS=1 WORKLOAD_MIB=12
use_one_certificate

# goes_on: it counts and writes to its disk; on the network it is asked for from the first host.
goes_on() { runs $name && writes $name; }

second_host_serves

make_one_certificate
check "the second host answers" there take_certificate
check "a guest with a disk and a network starts" start_guest $name 2 128 "$(disk_line)" "$(network_line 1)" ||
  { end_there; end_of_checks; exit 1; }
check "it goes on" goes_on
check "it answers on the bridge" within 30 answers 1
check "it answers the other host too" there within 30 answers 1

number=$(disk_number $name)
check "a receiver listens there" there receive
check "there: ferry migrate" ferry migrate $name host2.lab
note "$(grep -h '^migrated' $work/check.log)"
check "there: it is gone here" only
check "there: it counts and writes to its disk" there goes_on
check "there: its disk goes on from where it was" [ "$(there disk_number $name)" -gt "$number" ]
check "there: it answers this host" within 30 answers 1

number=$(there disk_number $name)
check "a receiver listens here" receive
check "back: ferry migrate" there ferry migrate $name host1.lab
check "back: it is gone there" there only
check "back: it counts and writes to its disk" goes_on
check "back: its disk goes on from where it was" [ "$(disk_number $name)" -gt "$number" ]
check "back: it answers this host" within 30 answers 1
check "back: it answers the other host" there within 30 answers 1

kill "$(cat $work/receive.pid)"
there 'kill "$(cat $work/receive.pid)"'
xl destroy $name
end_there
end_of_checks
