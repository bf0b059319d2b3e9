# A guest's disk and network: both work, and go on after a save and a restore by ferry and a migration to this very host.
. "$LAB_TESTS/lib.sh"
name=device
export FERRY_MAX_DOWNTIME=2500 FERRY_MAX_ROUNDS=1 FERRY_LEVEL=1 WORKLOAD_MIB=12

# A guest that came by migration has its console under the name it had while it came.
moved=
guest_log() { echo /var/log/xen/console/guest-$name$moved.log; }

# goes_on: it counts, writes to its disk and is there on the network.
goes_on() { runs $name && writes $name && within 30 answers 1; }

check "a guest with a disk and a network starts" start_guest $name 2 128 "$(disk_line)" "$(network_line 1)" || { end_of_checks; exit 1; }
check "it counts" runs $name
check "what it writes to its disk is there" writes $name
check "it answers on the bridge" within 30 answers 1
check "nobody else does" not answers 2

number=$(disk_number $name)
check "ferry save" ferry save $name $work/device.ferry
check "it is gone" gone $name
check "it answers no more" not answers 1
check "ferry restore" ferry restore $work/device.ferry
check "it goes on" goes_on
check "so does its disk, from where it was" [ "$(disk_number $name)" -gt "$number" ]

check "ferry migrate to this very host" ferry migrate $name --via 'ferry receive --stdio'
moved=--incoming
check "after that it goes on" goes_on
check "one copy is there" only $name
number=$(disk_number $name)
check "it shuts down" xl shutdown -w $name
# xl says so when the guest has ended, and whoever watches it then takes the domain away.
check "it is gone again" within 20 gone $name
moved=
check "it is started anew" start_guest $name 1 128 "$(disk_line)"
check "its disk holds what was written before" within 60 beyond $name "$number"
xl destroy $name
end_of_checks
