# For scripts in a Debian dom0 with ferry's packages (tools/lab --dom0 debian --packages DIR). Sourced after lib.sh.

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
