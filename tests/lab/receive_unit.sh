# The installed receiver under systemd in a Debian dom0, AppArmor on (tools/lab --dom0 debian): what docs/migration.md
# says, a guest that comes in through the socket, and what stopping the service leaves alone.
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
check "certificates are made" certify
check "systemctl enable --now ferry-receive.socket" systemctl enable --now ferry-receive.socket
check "a guest with 2 vCPUs starts" start_guest $name 2 128
check "it counts" runs $name
arrives() { # WHAT
  tick=$(tick_number $name)
  check "$1: ferry migrate" ferry migrate $name localhost || { its_words; end_of_checks; exit 1; }
  note "$(grep -h '^migrated' $work/check.log)"
  moved=--incoming
  check "$1: exactly one copy is there" only $name
  check "$1: it counts, memory, page tables and clocks intact" runs $name
  check "$1: it goes on where it was" [ "$(tick_number $name)" -gt "$tick" ]
  check "$1: the service runs" is_active ferry-receive.service || its_words
}
arrives "through the socket"
check "systemctl restart ferry-receive.service" systemctl restart ferry-receive.service
check "the guest that came runs on" runs $name
arrives "after that, through the service"
check "it reboots on request, so xl still watches it" xl reboot $name
moved=
check "it has booted" within 60 booted $name 2
check "no unit has failed" not systemctl --quiet is-failed ferry-receive.service ferry-receive.socket
check "AppArmor denied nothing" not denied
xl destroy $name
end_of_checks
