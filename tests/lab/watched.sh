# Whoever starts a guest by xl leaves a process of xl's behind that restarts or removes it once it reboots or shuts down.
# It is there after every way on which a guest comes to run here, also where xl's own would have left when the guest
# suspended (Xen up to 4.19).
name=guest
. "$LAB_TESTS/lib.sh"
. "$LAB_TESTS/failing.sh"
mkdir -p $work/small $work/images
via='ferry receive --stdio'

# What names a domain's console changes as it comes by migration.
moved=
guest_log() { echo /var/log/xen/console/guest-$name$moved.log; }

# watchers DOMID: the processes of xl's that wait for the domain's end, and their states.
watchers() {
  local dir
  for dir in /proc/[0-9]*; do
    { [ "$(cat $dir/comm)" = xl ] && grep -qs "(domid $1) to die \[pid ${dir#/proc/}\]" $dir/fd/1; } 2>/dev/null &&
      echo "${dir#/proc/} $(sed -n 's/^State:[[:space:]]*//p' $dir/status)"
  done
}
has_one_watcher() {
  watchers "$(xl domid $name)" >$work/watchers
  [ "$(wc -l <$work/watchers)" = 1 ] && grep -q ' S' $work/watchers
}
is_watched() { # WHAT
  check "$1: the guest runs" runs $name 2
  check "$1: xl watches it" within 10 has_one_watcher || {
    note "processes of xl's: $(cat $work/watchers); starting it again"
    xl destroy $name
    moved=
    start_guest $name 1 128
    runs $name 2
  }
}
reboots() { # WHAT
  local boots
  boots=$(boots_of $name)
  check "$1: it reboots on request" eval "xl reboot $name && within 90 booted $name $((boots + 1))"
  is_watched "$1, rebooted"
}

check "a guest starts" start_guest $name 1 128
is_watched "xl create"

check "ferry save --keep" ferry save --keep $name $work/images/kept
is_watched "ferry save --keep"
reboots "ferry save --keep"
check "ferry save --live --keep" ferry save --live --keep $name $work/images/kept
is_watched "ferry save --live --keep"
check "ferry save --pause" ferry save --pause $name $work/images/kept
check "xl unpause" xl unpause $name
is_watched "ferry save --pause, unpaused"

check "the engine is killed" kill_one KILL '[^ ]*save-helper --save' ferry save $name $work/images/one
is_watched "ferry save that fails"
check "ferry's parent process is killed" kill_one KILL '[^ ]*(ferry|ferry-host) save' ferry save $name $work/images/one
is_watched "ferry save that is killed"
in_background ferry save $name $work/images/both
check "a save is under way" before_it_ends suspended
check "both its processes are killed at once" \
  kill -KILL $(processes '[^ ]*(ferry|ferry-host) save') $(processes '[^ ]*ferry-save-helper --save')
ends 20 >/dev/null
check "ferry resume" ferry resume $name
is_watched "ferry resume"
reboots "ferry resume"
rm -rf $work/images/* $work/images/.[!.]*

export LIBXL_SAVE_HELPER=/usr/local/bin/ferry-save-helper
check "xl save -c with ferry's helper" xl save -c $name $work/images/xl
is_watched "xl save -c"
check "the helper under xl is killed" kill_one KILL '[^ ]*save-helper --save' xl save $name $work/images/xl
is_watched "xl save that fails"
in_background xl save $name $work/images/xl
check "a save by xl is under way" before_it_ends suspended
check "xl is killed" kill -KILL $(processes '[^ ]*xl save')
ends 20 >/dev/null
is_watched "xl save that is killed"
unset LIBXL_SAVE_HELPER

# A receiver whose xl takes all of the guest and makes nothing of it: the sender takes the guest back.
cat >$work/no-xl <<'SCRIPT'
#!/bin/sh
echo 'xl migration receiver ready, send binary domain data.'
exec cat >/dev/null
SCRIPT
chmod 755 $work/no-xl
fails_late() {
  local status=0
  FERRY_MAX_ROUNDS=1 timeout 280 ferry migrate $name --via "FERRY_XL=$work/no-xl $via" || status=$?
  [ $status -gt 0 ] && [ $status -lt 124 ] || { echo "status $status"; return 1; } # it failed, and by itself
}
check "a migration fails after the guest has suspended" fails_late
is_watched "ferry migrate that fails"
check "ferry migrate" ferry migrate $name --via "$via"
moved=--incoming
is_watched "ferry receive"
moved=
reboots "ferry receive"

check "ferry save" ferry save $name $work/images/gone
check "no process of xl's is left without a domain" within 10 not is_running '[^ ]*xl (create|restore|migrate-receive)'
check "ferry restore" ferry restore $work/images/gone
is_watched "ferry restore"
check "it shuts down on request" eval "xl shutdown -w $name && within 30 gone $name"
check "nothing waits for a domain any more" within 20 not is_running '[^ ]*(xl|ferry-save-helper) '
end_of_checks
