# For scripts in a Debian dom0 (tools/lab --dom0 debian), most of them with ferry's packages (--packages DIR). Sourced after
# lib.sh.

install_packages() {
  dpkg --install /lab/packages/ferry_*.deb /lab/packages/ferry-xen_*.deb &&
    echo 'kernel_folders = "/boot, /lab/guest"' >>/etc/ferry/ferry.conf && systemctl daemon-reload
}
# is_image FILE: an image of ferry's, whole.
is_image() { not holds_stream_of_xen "$1" && ferry audit "$1"; }
all() { # COMMAND NAME…: COMMAND holds of each
  local command=$1 name
  shift
  for name; do $command "$name" || { echo "not so: $command $name"; return 1; }; done
}

# The receiver.
key=/etc/ferry/tls/key.pem
certify() ( # as docs/migration.md says; this host is both ends; the key is root's
  mkdir -p /etc/ferry/tls $work/ca
  cd /etc/ferry/tls
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 2 -subj '/CN=lab' \
    -keyout $work/ca/ca.key -out ca.pem
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -subj /CN=localhost \
    -addext subjectAltName=DNS:localhost -keyout key.pem -out $work/ca/host.csr
  openssl x509 -req -in $work/ca/host.csr -CA ca.pem -CAkey $work/ca/ca.key -days 2 -copy_extensions copy -out cert.pem
  chmod 600 key.pem
)
# The listener's own process, whose parts have no more than it.
listener() { systemctl show --property MainPID --value ferry-receive.service; }
has_no_rights() {
  [ "$(stat -c %U /proc/"$(listener)")" = ferry-receive ] &&
    grep -qx 'CapEff:.0000000000000000' /proc/"$(listener)"/status && grep -qx 'NoNewPrivs:.1' /proc/"$(listener)"/status
}
