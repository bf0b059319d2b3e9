# deltas.sh [MINUTES]: an idle Linux guest of 256 MiB is saved whole, live, a minute later only what differs, and with
# MINUTES once more so much later: how large that is, and how long it takes. The chain is verified, audited, restored
# and squashed; a base that is damaged, another one or not there is refused by name, and the guest runs on.
minutes=${1-}
name=web
. "$LAB_TESTS/lib.sh"
folder=$work/chain
# It counts, and checks its memory; apart from that it does nothing. Every instruction is emulated: what takes
# milliseconds elsewhere takes seconds here.
export WORKLOAD_MIB=4 WORKLOAD_WORKERS=0 WORKLOAD_STILL=still FERRY_MAX_DOWNTIME=3000 FERRY_MAX_ROUNDS=1 FERRY_LEVEL=2

# saved IMAGE OPTION…: live, and the guest stays; it took so many ms.
saved() {
  local image=$1 since status
  shift
  since=$(now_ms)
  ferry save --live --keep "$@" $name "$image"
  status=$?
  took=$(($(now_ms) - since))
  return $status
}
is_at_most() { # PERCENT IMAGE
  local size whole=$whole_size
  size=$(size_of "$2")
  [ $((size * 100)) -le $((whole * $1)) ] || { echo "$size of $whole bytes are more than $1 %"; return 1; }
}
tell() { # WHAT IMAGE
  note "$1: $(size_of "$2") bytes in $took ms," "$(awk -v size="$(size_of "$2")" -v whole="$whole_size" \
    -v took=$took -v whole_took=$whole_took 'BEGIN { printf "%.2f %% of the whole image in %.2f of its time", 100 * size / whole, took / whole_took }')"
}
# Nothing of a guest comes, and the one that there is goes on.
refused() { # FILE COMMAND…
  local file=$1
  shift
  fails_with 3 "$file" "$@" && only $name && runs $name 1
}
same() { ferry diff "$@" | head -n 1 | grep -q ': the same$'; }
sum_of() { last_tick "$1" | sed 's/.* sum=//'; }
flip() { # FILE: a bit in the midst of it
  local at=$(($(size_of "$1") / 2))
  put_byte "$1" $at "$(printf '%02x' $((0x$(byte_at "$1" $at) ^ 16)))"
}
. "$LAB_TESTS/bad_images.sh"

mkdir $folder
check "a guest of 256 MiB with 2 vCPUs starts" start_guest $name 2 256 || { end_of_checks; exit 1; }
check "it counts" runs $name
sleep 20
check "it is saved whole, live" saved $folder/whole.ferry
whole_took=$took whole_size=$(size_of $folder/whole.ferry)
tell "whole" $folder/whole.ferry
sleep 60
check "a minute later it is saved live as a delta" saved $folder/minute.ferry \
  --base $folder/whole.ferry --page-hashes $work/minute.hashes
tell "a minute later" $folder/minute.ferry
check "that is at most 2 % of the whole image" is_at_most 2 $folder/minute.ferry
newest=$folder/minute.ferry
if [ -n "$minutes" ]; then
  sleep $((60 * minutes))
  check "$minutes minutes later it is saved against the whole image" saved $work/later.ferry --base $folder/whole.ferry
  tell "$minutes minutes later" $work/later.ferry
  check "that is at most 4 % of the whole image" is_at_most 4 $work/later.ferry
fi
check "the guest runs on" runs $name

# What is damaged -------------------------------------------------------------------------------------
cp $folder/whole.ferry $work/sound.ferry
flip $folder/whole.ferry
check "no delta is saved against a base that is damaged" \
  refused whole.ferry ferry save --live --keep --base $folder/whole.ferry $name $folder/no.ferry
check "no delta is restored upon one" refused whole.ferry ferry restore --force --name bad --base $folder $folder/minute.ferry
check "verify names it, and what was to be restored with it" \
  fails_with 3 '0 can be restored, 1 orphaned, 1 damaged' ferry verify $folder
rm $folder/whole.ferry
check "no delta is saved against a base that is not there" \
  fails_with 1 whole.ferry ferry save --live --keep --base $folder/whole.ferry $name $folder/no.ferry
check "but against page hashes, which are all that it takes" saved $work/hashed.ferry --base $work/minute.hashes
tell "against page hashes" $work/hashed.ferry
check "that is at most 2 % of the whole image, too" is_at_most 2 $work/hashed.ferry
check "and what it builds upon is missing" fails_with 3 minute.ferry ferry audit --base $folder $work/hashed.ferry
check "no delta is restored without its base" \
  refused 'the base of .*minute.ferry is missing' ferry restore --force --name bad --base $folder $folder/minute.ferry
check "no delta is restored alone" refused 'this is a delta' ferry restore --force --name bad $folder/minute.ferry
mv $work/sound.ferry $folder/whole.ferry
check "with it that chain audits clean" ferry audit --base $folder $work/hashed.ferry
check "no file is left of that" [ "$(ls -A $folder | tr '\n' ' ')" = "minute.ferry whole.ferry " ]

# The whole chain -------------------------------------------------------------------------------------
tick=$(tick_number $name)
check "the guest is saved against the delta, and goes" ferry save --base $folder/minute.ferry $name $folder/last.ferry
check "it is gone" gone $name
check "verify says that all three can be restored" \
  fails_with 0 '3 can be restored, 0 orphaned, 0 damaged' ferry verify $folder
check "the chain audits clean" ferry audit --base $folder $folder/last.ferry
check "ferry squash" ferry squash $folder/whole.ferry $folder/minute.ferry $folder/last.ferry $work/squashed.ferry
note "squashed: $(size_of $work/squashed.ferry) bytes"
check "what it makes is the guest, without any other file" same --base $folder $folder/last.ferry $work/squashed.ferry
check "another base than its own is refused" \
  fails_with 3 squashed.ferry ferry restore --base $work/squashed.ferry $folder/minute.ferry
check "no domain came of that" only
check "ferry restore --base" ferry restore --base $folder $folder/last.ferry
check "it counts, memory intact" runs $name
check "it goes on where it was" continued $name "$tick"
check "the squashed image makes a twin" ferry restore --force --name twin $work/squashed.ferry
check "the twin counts, memory intact" runs twin
check "both hold the same" [ "$(sum_of twin)" = "$(sum_of $name)" ]
check "a file that others build upon is as it was" ferry verify $folder
xl destroy twin
xl destroy $name
check "no domain is left" within 20 only
check "no lock is held" no_lock_held
end_of_checks
