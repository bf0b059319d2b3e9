# Bad images and bad orders: one sentence, the right exit code, never a domain.
. "$LAB_TESTS/lib.sh"
. "$LAB_TESTS/bad_images.sh"
export LIBXL_SAVE_HELPER=/usr/local/bin/ferry-save-helper
name=victim
image=$work/good.ferry

check "a guest starts" start_guest $name 1 128
check "the guest counts" runs $name
check "its image is made" ferry save --keep $name $image
check "xl's file with our image is made" xl save -c $name $work/good.xl

# Orders that cannot be followed -----------------------------------------------------------------------
check "no such domain" fails_with 1 'no-such-guest' ferry save no-such-guest $work/x
check "no such id" fails_with 1 '4711' ferry save 4711 $work/x
check "dom0 is not saved" fails_with 1 . ferry save Domain-0 $work/x
check "no subcommand is a usage error" fails_with 2 . ferry
check "a missing file is a usage error" fails_with 2 . ferry save $name
check "a pipe without --keep, --pause or --destroy is a usage error" \
  fails_with 2 'keep' sh -c "ferry save $name - >$work/x"
check "a folder that does not exist" fails_with 1 'no/such' ferry save $name /no/such/folder/x
check "no image file" fails_with 1 'no-such-file' ferry restore /no-such-file

echo 'nobody:x:65534:65534::/:/bin/sh' >>/etc/passwd
check "no permission" fails_with 1 'root|permi' su nobody -c "ferry save $name /tmp/x"
check "no Xen at all" fails_with 1 'Xen' unshare -m sh -c "
  mount -t tmpfs none /dev/xen; umount /proc/xen; ferry save $name $work/x"

xl pause $name
from=$(now_ms)
check "xl save of a paused guest is refused" not xl save $name $work/x
check "at once" [ $(($(now_ms) - from)) -lt 10000 ]
xl unpause $name
check "the guest runs on" runs $name

cat >$work/pvh.cfg <<CFG
name = "pvh"
type = "pvh"
kernel = "/lab/guest/vmlinuz"
memory = 128
vcpus = 1
CFG
if xl create -q -p $work/pvh.cfg >$work/pvh.log 2>&1; then
  check "an HVM or PVH guest is refused" fails_with 1 'PV' ferry save pvh $work/x
  xl destroy pvh
else
  note "no PVH guest on this machine: $(tail -n 1 $work/pvh.log)"
fi

# Bad images -------------------------------------------------------------------------------------------
check "only the guest is there" only $name
refused() { # FILE
  fails_with 3 . ferry restore --force --name bad "$1" && fails_with 3 . ferry audit "$1" && only $name
}
echo "not an image" >$work/x
check "a file that is no image" refused $work/x
: >$work/x
check "an empty file" refused $work/x
unknown_version $image $work/x
check "an image of an unknown version is refused by its version" \
  fails_with 3 'version 99' ferry restore --force --name bad $work/x
check "sampled bit flips are refused" every_flip_refused $image 8
check "sampled truncations are refused" every_truncation_refused $image 6
check "a flip in xl's file never becomes a domain" every_xl_flip_refused $work/good.xl 3
check "the image itself is unharmed and audits clean" ferry audit $image
check "only the guest is there still" only $name
check "the guest counts still" runs $name

# Too little memory is found out before the domain is filled -----------------------------------------------
free=$(xl info | awk '/^free_memory/ { print $3 }')
cat >$work/hog.cfg <<CFG
name = "hog"
type = "pv"
kernel = "/lab/guest/vmlinuz"
memory = $((free - 100))
CFG
check "a guest takes most of the memory" xl create -q -p $work/hog.cfg
check "too little memory is said in a sentence" fails_with 1 'memory' ferry restore --force --name bad $image
check "no half-made domain is left" within 20 only $name hog
xl destroy hog

# A guest that nobody knows the suspension of may run elsewhere, as a source of xl's that was left behind does.
xenstore-write "/local/domain/$(xl domid $name)/control/shutdown" suspend
check "the guest suspends by itself" within 30 has_state $name '???s??'
tick=$(tick_number $name)
check "a guest that something else suspended is not saved" \
  fails_with 4 "try: ferry resume --force $(xl domid $name)" ferry save $name $work/suspended.ferry
check "nor moved" fails_with 4 'may run elsewhere' ferry migrate $name --via 'ferry receive --stdio'
check "ferry resume --force lets it go on" ferry resume --force $name
check "it counts" runs $name
check "it goes on where it was" continued $name "$tick"
xl destroy $name
check "no domain is left" within 20 only
check "no lock is held" no_lock_held
end_of_checks
