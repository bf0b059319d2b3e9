# The installed receiver under systemd in a Debian dom0, AppArmor on (tools/lab --dom0 debian): what docs/migration.md
# says, a guest with its disk and network that comes in through the socket, and what stopping the units leaves alone.
. "$LAB_TESTS/lib.sh"
. "$LAB_TESTS/installed_lib.sh"
name=mover
export FERRY_MAX_DOWNTIME=2500 FERRY_MAX_ROUNDS=1 FERRY_LEVEL=1 WORKLOAD_MIB=12

# A guest that came by migration has its console under the name it had while it came.
moved=
guest_log() { echo /var/log/xen/console/guest-$name$moved.log; }
journal() { journalctl --no-pager --output cat --unit "$1"; }
is_active() { systemctl is-active --quiet "$1"; }
units='ferry-receive.socket ferry-receive.service ferry-job.socket'
# The units' words, when a check failed.
its_words() {
  systemctl status --no-pager --lines 0 $units 'ferry-job@*' | sed 's/^/#   /'
  journal ferry-receive.service | tail -n 15 | sed 's/^/#   journal: /'
  journal 'ferry-job@*' | tail -n 15 | sed 's/^/#   job: /'
}
exposure() { # UNIT: of 10, by systemd's own reckoning
  systemd-analyze security --no-pager "$1" | sed -n 's/.*exposure level.*: \([0-9.]*\) .*/\1/p'
}
at_most() { # FIGURE MOST
  awk -v is="$1" -v most="$2" 'BEGIN { exit !(is > 0 && is <= most) }'
}
job_units() { systemctl list-units --no-legend --plain --state=active 'ferry-job@*' | awk '{ print $1 }'; }
has_a_job() { [ -n "$(job_units)" ]; }
has_no_job() { not has_a_job; }
denied() { dmesg | grep 'apparmor="DENIED"'; }

check "AppArmor is on" grep -qx Y /sys/module/apparmor/parameters/enabled
check "this is a dom0" grep -q control_d /proc/xen/capabilities
check "the user of the unit that listens is made" systemd-sysusers
check "systemd finds nothing wrong with the units" systemd-analyze verify --man=no /usr/local/lib/systemd/system/ferry-*
listens=$(exposure ferry-receive.service)
serves=$(exposure ferry-job@one.service)
note "exposure of ferry-receive.service: $listens, of ferry-job@.service: $serves"
check "what listens has hardly any rights" at_most "$listens" 2.0
check "a job has not more than what it starts needs" at_most "$serves" 4.0
check "certificates are made" eval 'certify && chown ferry-receive $key'
check "systemctl enable --now ferry-receive.socket" systemctl enable --now ferry-receive.socket
# A disk and a network, for which xl has the scripts of /etc/xen/scripts run.
check "a guest with 2 vCPUs starts" start_guest $name 2 128 "$(disk_line)" "$(network_line 1)"
check "it counts" runs $name
check "it writes to its disk" writes $name
check "it answers on the bridge" within 30 answers 1
arrives() { # WHAT
  tick=$(tick_number $name)
  check "$1: ferry migrate" ferry migrate $name localhost || { its_words; end_of_checks; exit 1; }
  note "$(grep -h '^migrated' $work/check.log)"
  moved=--incoming
  check "$1: exactly one copy is there" only $name
  check "$1: it counts, memory, page tables and clocks intact" runs $name
  check "$1: it goes on where it was" [ "$(tick_number $name)" -gt "$tick" ]
  check "$1: it writes to its disk" writes $name
  check "$1: it answers on the bridge" within 30 answers 1
  check "$1: the service runs" is_active ferry-receive.service || its_words
  check "$1: without rights" has_no_rights
  check "$1: the job's unit has ended" within 20 has_no_job
}
arrives "through the socket"
check "systemctl restart ferry-receive.service" systemctl restart ferry-receive.service
check "the guest that came runs on" runs $name
arrives "after that, through the service"
# All that can be stopped is, while a guest comes.
tick=$(tick_number $name)
ferry migrate --bandwidth 2 $name localhost >$work/slow.log 2>&1 &
migrating=$!
check "a slow migration begins" within 60 has_a_job
sleep 5
job=$(job_units)
check "its job cannot be stopped by hand" not systemctl stop "$job"
check "the units are stopped" systemctl stop $units
check "the job goes on" [ "$(job_units)" = "$job" ]
check "the guest arrives all the same" wait $migrating || { sed 's/^/#   /' $work/slow.log; its_words; }
check "exactly one copy is there then" only $name
check "it counts, memory, page tables and clocks intact" runs $name
check "it goes on where it was" [ "$(tick_number $name)" -gt "$tick" ]
check "it writes to its disk still" writes $name
check "it answers on the bridge still" within 30 answers 1
check "the job's unit ends" within 20 has_no_job
check "the socket is opened again" systemctl start ferry-receive.socket
arrives "after all were stopped"
check "it reboots on request, so xl still watches it" xl reboot $name
moved=
check "it has booted" within 60 booted $name 2
check "its disk and its network are there again" eval "writes $name && within 30 answers 1"
check "no unit has failed" not systemctl --quiet is-failed $units 'ferry-job@*'
# On the kernel and the C library of a dom0: what reads an image has no rights, and does its work.
held() { # NAME…: ferry audit lists each of them
  ferry audit --json $work/mover.ferry >$work/audit.json || return 1
  for layer; do grep -q "\"$layer\"" $work/audit.json || { echo "no $layer"; cat $work/audit.json; return 1; }; done
}
check "ferry save" ferry save $name $work/mover.ferry
check "ferry audit reads without rights" held seccomp landlock no_new_privs no_capabilities nobody limits
check "ferry inspect --html does" ferry inspect --html $work/mover.html $work/mover.ferry
check "ferry convert does" ferry convert $work/mover.ferry $work/mover.xl
check "and back" ferry convert $work/mover.xl $work/mover.again
check "ferry cat does" eval "ferry cat $work/mover.ferry 0x100 >$work/page"
check "AppArmor denied nothing" not denied
end_of_checks
