# What fresh_root runs inside of its root: prints a line for each check, as TAP does, and what commands print below "$".
set -u
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
cd /try
xen=$(cat xen)
helper=/usr/lib/xen-$xen/bin/libxl-save-helper

check() { # WHAT COMMAND…
  local what=$1
  shift
  if "$@" >log 2>&1; then
    echo "ok - $what"
  else
    echo "not ok - $what"
    tail -n 25 log | sed 's/^/#   /'
  fi
}
show() { # COMMAND…
  echo "# \$ $*"
  "$@" 2>&1 | tail -n 12 | sed 's/^/#   /'
}
apt() { apt-get -qq -y -o Dpkg::Use-Pty=0 --no-install-recommends "$@"; }
install_ferry() { apt install ./ferry_*.deb ./ferry-xen_*.deb; }
digest() { sha256sum <"$1"; }
# All that is there but what dpkg, apt and caches note of themselves, and the copies of the lists of users that are made
# when one is added.
files() {
  find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp -o -path /try -o -path /var/lib/apt \
    -o -path /var/lib/dpkg -o -path /var/cache -o -path /var/log -o -path '/etc/[gps]*-' \) -prune -o -print | sort
}
is_xens() { # FILE: it is what Xen's package brought
  [ "$(md5sum <"$1" | cut -c 1-32)" = "$(sed -n "s|  usr/lib/xen-$xen/bin/libxl-save-helper\$||p" /var/lib/dpkg/info/xen-utils-$xen.md5sums)" ]
}
diverted() { [ "$(dpkg-divert --listpackage "$helper")" = ferry-xen ] && is_xens "$helper.stock" && grep -q ferry-save-helper "$helper"; }
not_diverted() { [ -z "$(dpkg-divert --list '*libxl-save-helper*')" ] && [ ! -e "$helper.stock" ] && is_xens "$helper"; }

# No service starts in here.
printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d
check "Xen's packages of the release as it came out" apt install xen-utils-$xen
# What ferry was built with may be newer than that, and apt is to find it.
cp updates.list /etc/apt/sources.list.d/
check "Debian's updates" apt update
show dpkg-query -W xen-utils-$xen
files >before
cp /etc/passwd passwd.before
check "the helper is Xen's" not_diverted

# Installed.
check "apt installs ferry and ferry-xen" install_ferry
show dpkg-query -W ferry ferry-xen xen-utils-$xen
check "dpkg finds nothing amiss" eval '[ -z "$(dpkg --audit)" ] && dpkg --verify ferry ferry-xen xen-utils-$xen'
check "ferry's helper is in the place of Xen's, which is beside it" diverted
check "ferry --version" ferry --version
show ferry --version
image=source/tests/golden/v1.0-bare.ferry
check "ferry inspect" ferry inspect $image
show ferry inspect $image
check "the helper is ferry's" eval '$helper --help | grep -q ferry'
check "the listener has its user" eval 'getent passwd ferry-receive'
show getent passwd ferry-receive
check "who cannot log in" eval 'getent passwd ferry-receive | grep -q ":/usr/sbin/nologin$" && grep -q "^ferry-receive:!" /etc/shadow'
check "systemd finds nothing wrong with the units" systemd-analyze verify --man=no \
  ferry-receive.socket ferry-receive.service ferry-job.socket ferry-job@.service ferry-backup.timer ferry-backup.service
check "none of them is enabled" eval '! ls /etc/systemd/system/*/ferry-*'

# Xen's packages get newer beside it.
# A made-up version with another helper: what Debian has is there by now.
newer() {
  apt download xen-utils-$xen && dpkg-deb -R xen-utils-${xen}_*.deb newer || return 1
  sed -i 's/^Version: .*/&+newer/' newer/DEBIAN/control
  echo newer >>newer$helper
  sed -i "s|^.*  \(${helper#/}\)\$|$(md5sum <newer$helper | cut -c 1-32)  \1|" newer/DEBIAN/md5sums
  dpkg-deb -b newer newer.deb && dpkg --install ./newer.deb && tail -n 1 $helper.stock | grep -qx newer
}
check "a newer Xen is installed, whose helper is another" newer
check "ferry's helper stays, beside the newer one" diverted
check "dpkg finds nothing amiss then" eval '[ -z "$(dpkg --audit)" ] && dpkg --verify ferry ferry-xen'

# Removed, installed again, purged.
echo 'level = 3' >>/etc/ferry/ferry.conf
check "ferry-xen is removed" apt remove ferry-xen
check "the newer Xen has its own helper" not_diverted
check "the configuration is kept" grep -qx 'level = 3' /etc/ferry/ferry.conf
check "it is installed again" install_ferry
check "with its configuration" grep -qx 'level = 3' /etc/ferry/ferry.conf
check "ferry's helper is there again" diverted
mkdir -p /var/lib/ferry && touch /var/lib/ferry/a-note
check "an operator lets other hosts in, and saves at night" systemctl enable ferry-receive.socket ferry-backup.timer
check "both are purged, with what only they needed" apt purge --auto-remove ferry ferry-xen
check "Xen has its own helper" not_diverted
files >after
check "no file is left" diff before after
show diff before after
check "dpkg knows nothing of ferry" eval '! dpkg-query -W "ferry*" && ! ls /var/lib/dpkg/info/ferry* /var/lib/systemd/deb-systemd-helper-*/ferry*'
check "the user stays, as system users do in Debian" getent passwd ferry-receive
show diff passwd.before /etc/passwd

# Xen's package goes first, beside ferry's.
check "all of it is installed once more" install_ferry
check "apt removes Xen's package, and ferry-xen with it" eval 'apt remove xen-utils-$xen &&
  [ "$(dpkg-query -W -f "\${db:Status-Status}" ferry-xen)" = config-files ]'
check "no helper and no diversion is left" eval '[ ! -e $helper ] && [ ! -e $helper.stock ] && [ -z "$(dpkg-divert --list "*libxl-save-helper*")" ]'

# The packages' own tests, by Debian's runner, which installs what they need. That of a host is for a dom0.
check "autopkgtest is installed" apt install autopkgtest
status=0
autopkgtest ./ferry_*.deb ./ferry-xen_*.deb ./ferry-guest-dev_*.deb source/ -- null >autopkgtest.log 2>&1 || status=$?
{ grep -A 2 'ends with [0-9]*:$' autopkgtest.log | grep -vx -- --; sed -n '/@@@ summary/,$p' autopkgtest.log; } | sed 's/^/#   /'
check "autopkgtest: images and guest-dev pass, host is left to a dom0" eval '
  { [ $status -eq 0 ] || [ $status -eq 2 ] || { tail -n 25 autopkgtest.log; false; }; } && grep -q "^images *PASS" autopkgtest.log &&
  grep -q "^guest-dev *PASS" autopkgtest.log && grep "^host *SKIP" autopkgtest.log'

# For who writes a kernel: no program of ferry's is needed.
example() { rm -rf kernel && cp -r /usr/share/doc/ferry-guest-dev/examples/kernel . && make -C kernel; }
check "the programs go" apt purge ferry ferry-xen
check "apt installs ferry-guest-dev alone" apt install ./ferry-guest-dev_*.deb g++ make
check "dpkg finds nothing amiss with it" eval '[ -z "$(dpkg --audit)" ] && dpkg --verify ferry-guest-dev && ! dpkg-query -W ferry'
check "its example kernel is built" example
show ls -l kernel/ferry_kernel

# What Debian's own checker has to say, of this release.
check "lintian is installed" apt install lintian
check "lintian finds neither error nor warning" lintian --allow-root --fail-on error,warning ./ferry*.deb
show lintian --version
show lintian --allow-root --show-overrides ./ferry*.deb
