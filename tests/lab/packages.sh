# The packages in a Debian dom0 (tools/lab --dom0 debian --packages DIR): xl and xendomains use ferry's helper as soon as
# ferry-xen is there, Xen's own with the switch, and nothing is left after a purge.
check_seconds=900 # dpkg is slow where every instruction is emulated
. "$LAB_TESTS/lib.sh"
. "$LAB_TESTS/installed_lib.sh"
name=guest
# A guest that came by migration has its console under the name it had while it came.
moved=
guest_log() { echo /var/log/xen/console/guest-$name$moved.log; }
saved=$work/guest.xl
# As sudo and ssh leave it: no variable of ours.
bare() { env -i PATH="$PATH" "$@"; }
conf=/etc/ferry/ferry.conf
guest_may_lie_in_lab() { echo 'kernel_folders = "/boot, /lab/guest"' >>$conf; }
files_of_ferry() { find / -xdev -name '*ferry*' -not -path '/lab/*' -not -path '/proc/*' -not -path '/run/*'; }
nothing_left() {
  files_of_ferry >$work/files
  diff $work/files.before $work/files && [ "$(sha256sum <$stock_helper)" = "$helper_before" ] && [ ! -e $stock_helper.stock ]
}
stock_saves() { bare xl save $name $saved && holds_stream_of_xen $saved; }
ferry_saves() { bare xl save $name $saved && not holds_stream_of_xen $saved && ferry audit $saved; }
restored() { # WHAT
  check "$1: xl restore" bare xl restore $saved
  check "$1: it counts, memory, page tables and clocks intact" runs $name
}

helper_before=$(sha256sum <$stock_helper)
files_of_ferry >$work/files.before
check "the packages are installed" dpkg --install /lab/packages/ferry_*.deb /lab/packages/ferry-xen_*.deb
check "dpkg finds nothing amiss" eval '[ -z "$(dpkg --audit)" ] && dpkg --verify ferry ferry-xen'
check "Xen's own helper is kept" eval '[ "$(sha256sum <$stock_helper.stock)" = "$helper_before" ]'
check "this host's folder for kernels is told" guest_may_lie_in_lab
check "systemd finds nothing wrong with the units" systemd-analyze verify --man=no \
  ferry-receive.socket ferry-receive.service ferry-job.socket ferry-job@.service
check "nobody is let in before somebody says so" not systemctl --quiet is-enabled ferry-receive.socket
check "xendomains has the time it needs" eval 'systemctl daemon-reload &&
  systemctl show -p TimeoutStopUSec xendomains.service | grep -x TimeoutStopUSec=infinity'
check "the packages' own test of a host" eval 'sh /lab/packages/host >$work/host.log 2>&1 || { cat $work/host.log; false; }'
sed 's/^/#   /' $work/host.log

check "a guest starts" start_guest $name 1 128
check "it counts" runs $name
check "xl save writes an image of ferry's" ferry_saves
restored "by ferry"
check "the switch" eval 'echo "engine = stock" >>$conf'
check "xl save writes Xen's own stream" stock_saves
restored "by the stock helper"
check "the switch taken back" sed -i '/^engine/d' $conf
check "ferry save, by the installed commands" ferry save $name $work/guest.ferry
check "ferry restore" ferry restore $work/guest.ferry
check "it counts" runs $name

# The receiver, with the user that the package made.
key_is_its_users() { dpkg --install /lab/packages/ferry-xen_*.deb && [ "$(stat -c %U:%a $key)" = ferry-receive:600 ]; }
takes_a_guest() { FERRY_MAX_DOWNTIME=2500 FERRY_MAX_ROUNDS=1 FERRY_LEVEL=1 ferry migrate $name localhost; }
check "certificates are made, their key root's alone" certify
check "installed over itself, the package gives the key to the user of what listens" key_is_its_users
check "systemctl enable --now ferry-receive.socket" systemctl enable --now ferry-receive.socket
check "ferry migrate to this host's units" takes_a_guest || journalctl --no-pager -n 30 -u 'ferry-*' | sed 's/^/#   /'
moved=--incoming
check "it counts, come by migration" runs $name
check "what listens runs without rights" has_no_rights

check "ferry-xen is removed while a guest runs" dpkg --remove ferry-xen
check "Xen's own helper is back" eval '[ "$(sha256sum <$stock_helper)" = "$helper_before" ] && [ ! -e $stock_helper.stock ]'
check "the configuration is kept" [ -e $conf ]
# A job that is just ending may do so.
nothing_listens() {
  local left
  left=$(systemctl list-units --no-legend --plain --state=active "ferry-*"; processes "[^ ]*ferry[ ]receive")
  [ -z "$left" ] || { echo "$left"; return 1; }
}
check "nothing of it listens" within 20 nothing_listens
check "xl save writes Xen's own stream" stock_saves
moved=
restored "without the package"
check "it is installed again" dpkg --install /lab/packages/ferry-xen_*.deb
check "xl save writes an image of ferry's" ferry_saves
restored "installed again"
# An operator's, not the package's.
rm -r /etc/ferry/tls
check "everything is purged" dpkg --purge ferry-xen ferry
check "nothing is left" nothing_left
check "the guest runs on" runs $name
end_of_checks
