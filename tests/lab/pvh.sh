# A PVH guest under xl with ferry's helper, which leaves it to Xen's own: saved, restored and migrated as by the stock
# helper alone. On Debian 13 only: with Xen 4.17 such a guest's kernel panics under emulation, whoever starts it.
name=pvh
. "$LAB_TESTS/lib.sh"

printf '#!/bin/sh\nshift\nexec "$@"\n' >$work/here
chmod +x $work/here
moved=
guest_log() { echo /var/log/xen/console/guest-$1$moved.log; }
# In its default mode Xen intercepts RDTSCP, and cannot tell that instruction's length on this emulated CPU.
guest_config $name 2 128 'tsc_mode = "native"' | sed 's/^type = .*/type = "pvh"/' >$work/$name.cfg

# to_disk_and_host WHO: a save, a restore, and a migration, by the helper in LIBXL_SAVE_HELPER.
to_disk_and_host() {
  local tick
  tick=$(tick_number $name)
  check "$1: xl save" xl save $name $work/"$1".img
  check "$1: the saved guest is gone" gone $name
  check "$1: the file holds Xen's own stream" holds_stream_of_xen $work/"$1".img
  moved=
  check "$1: xl restore" xl restore $work/"$1".img
  check "$1: it counts, its memory intact" runs $name
  check "$1: it goes on where it was" [ "$(tick_number $name)" -gt "$tick" ]
  tick=$(tick_number $name)
  check "$1: xl migrate" xl migrate -s $work/here $name localhost
  moved=--incoming
  check "$1: exactly one copy is there" within 20 only $name
  check "$1: it counts after the migration, its memory intact" runs $name
  check "$1: it goes on where it was after that" [ "$(tick_number $name)" -gt "$tick" ]
}

check "a PVH guest with 2 vCPUs starts" xl create -q $work/$name.cfg
check "it counts" runs $name
LIBXL_SAVE_HELPER=$stock_helper
export LIBXL_SAVE_HELPER
to_disk_and_host stock
LIBXL_SAVE_HELPER=/usr/local/bin/ferry-save-helper
to_disk_and_host ferry
stock_size=$(size_of $work/stock.img)
ferry_size=$(size_of $work/ferry.img)
note "sizes: $stock_size bytes by the stock helper, $ferry_size under ferry's"
# Of a guest's 32,768 pages some may come and go; each record of them has its own header.
check "both files are of a size" [ $(((stock_size - ferry_size) / 1048576)) -eq 0 ]
check "ferry save says that it is for PV guests" fails_with 1 'HVM or PVH' ferry save $name $work/own.ferry
check "the guest runs on after that" runs $name
check "no file is left" [ ! -e $work/own.ferry ]
check "no lock is held" no_lock_held
xl destroy $name
check "no domain is left" within 20 only
end_of_checks
