# How long a guest stood still, as somebody sees it who waits for its ticks. Sourced, after lib.sh.

# watch_ticks NAME [FILE]: from now on notes in $work/FILE (ticks) when NAME's ticks appear on its console, also under
# the name that it has while it comes by migration.
watch_ticks() {
  tick-times /var/log/xen/console/guest-"$1".log /var/log/xen/console/guest-"$1"--incoming.log >$work/"${2-ticks}" &
  echo $! >>$work/ticks.pid
}
stop_watching() {
  kill $(cat $work/ticks.pid)
  rm $work/ticks.pid
}

# longest_gap FROM: milliseconds between two ticks from tick FROM on, at most, of lines "TICK MILLISECONDS".
longest_gap() {
  sort -n -k1,1 -u | awk -v from="$1" '$1 >= from {
    if (last && $2 - last > most) most = $2 - last
    last = $2 } END { printf "%d", most }'
}
