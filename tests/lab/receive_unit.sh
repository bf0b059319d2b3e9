# The installed receiver under systemd in a Debian dom0, AppArmor on (tools/lab --dom0 debian): what docs/migration.md
# says, a guest with its disk and network that comes in through the socket, and what stopping the service leaves alone.
. "$LAB_TESTS/lib.sh"
name=mover
export FERRY_MAX_DOWNTIME=2500 FERRY_MAX_ROUNDS=1 FERRY_LEVEL=1

# A guest that came by migration has its console under the name it had while it came.
moved=
guest_log() { echo /var/log/xen/console/guest-$name$moved.log; }
journal() { journalctl --no-pager --output cat --unit "$1"; }
is_active() { systemctl is-active --quiet "$1"; }
# The service's words, when a check failed.
its_words() {
  systemctl status --no-pager --lines 0 ferry-receive.socket ferry-receive.service | sed 's/^/#   /'
  journal ferry-receive.service | tail -n 15 | sed 's/^/#   journal: /'
}
denied() { dmesg | grep 'apparmor="DENIED"'; }
certify() ( # as docs/migration.md says; this host is both ends
  mkdir -p /etc/ferry/tls $work/ca
  cd /etc/ferry/tls
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 2 -subj '/CN=lab' \
    -keyout $work/ca/ca.key -out ca.pem
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -subj /CN=localhost \
    -addext subjectAltName=DNS:localhost -keyout key.pem -out $work/ca/host.csr
  openssl x509 -req -in $work/ca/host.csr -CA ca.pem -CAkey $work/ca/ca.key -days 2 -copy_extensions copy -out cert.pem
  chmod 600 key.pem
)

check "AppArmor is on" grep -qx Y /sys/module/apparmor/parameters/enabled
check "this is a dom0" grep -q control_d /proc/xen/capabilities
check "systemd finds nothing wrong with the units" systemd-analyze verify --man=no \
  /usr/local/lib/systemd/system/ferry-receive.socket /usr/local/lib/systemd/system/ferry-receive.service
# Of 10, by systemd's own reckoning. 9.6 is a unit that says nothing; PrivateDevices= and the like would break what a job
# starts.
exposure=$(systemd-analyze security --no-pager ferry-receive.service | sed -n 's/.*exposure level.*: \([0-9.]*\) .*/\1/p')
note "exposure of ferry-receive.service: $exposure"
check "the service has not more rights than its jobs need" awk -v is="$exposure" 'BEGIN { exit !(is > 0 && is <= 7.0) }'
check "certificates are made" certify
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
}
arrives "through the socket"
check "systemctl restart ferry-receive.service" systemctl restart ferry-receive.service
check "the guest that came runs on" runs $name
arrives "after that, through the service"
check "it reboots on request, so xl still watches it" xl reboot $name
moved=
check "it has booted" within 60 booted $name 2
check "its disk and its network are there again" eval "writes $name && within 30 answers 1"
check "no unit has failed" not systemctl --quiet is-failed ferry-receive.service ferry-receive.socket
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
