# xendomains, which saves all guests when a host goes down and restores them when it comes up, in a Debian dom0 with
# ferry's packages: four guests, a disk that is full in the midst, and a power failure in the midst.
check_seconds=900 # four guests, one after another
. "$LAB_TESTS/lib.sh"
. "$LAB_TESTS/installed_lib.sh"
folder=/var/lib/xen/save
names="g1 g2 g3 g4"
xendomains() { systemctl "$1" xendomains.service || { systemctl status --no-pager xendomains.service; return 1; }; }
starts() { WORKLOAD_MIB=4 start_guest "$1" 1 96 && mkdir -p /etc/xen/auto && cp $work/"$1".cfg /etc/xen/auto/; }
is_saved() { is_image $folder/"$1"; }
counts() { runs "$1" 2; }
# went_on NAME: it counts on from where it was when it was saved.
went_on() { counts "$1" && continued "$1" "$(cat $work/"$1".tick)"; }
booted_anew() { booted "$1" 2 && counts "$1"; }
note_ticks() { for name in $names; do tick_number $name >$work/$name.tick; done; }
folder_has() { # NAME…: these and nothing else, hidden files included
  ls -A $folder >$work/there
  printf '%s\n' "$@" | diff - $work/there
}

check "the packages are installed" install_packages
check "xendomains is up" xendomains start
check "four guests start" all starts $names
for name in $names; do check "$name counts" counts $name; done
note_ticks

check "the host goes down: systemctl stop xendomains" xendomains stop
check "no guest is left" only
check "each is in an image of ferry's" all is_saved $names
note "$(du -cm $folder/* | tail -n 1 | cut -f 1) MiB of images"
check "the host comes up: systemctl start xendomains" xendomains start
for name in $names; do check "$name went on where it was" went_on $name; done
check "the images are gone" [ -z "$(ls -A $folder)" ]

# Room for two of the four: the others are shut down, as xendomains does with what it could not save.
each_mib=$(($(stat -c %s /lab/guest/initrd) / 1048576 * 2 + 20))
note_ticks
check "a file system with room for two" mount -t tmpfs -o size=$((each_mib * 2))m tmpfs $folder
check "the host goes down with a full disk" xendomains stop
check "no guest is left" only
note "on the disk: $(ls -A $folder | tr '\n' ' ')of $((each_mib * 2)) MiB"
saved=$(ls $folder)
check "some were saved and some not" eval '[ -n "$saved" ] && [ "$(echo $saved)" != "$names" ]'
check "what is there is whole" all is_saved $saved
check "and nothing else is, hidden or not" folder_has $saved
check "the host comes up" xendomains start
check "all four are there" only $names
for name in $names; do
  case " $(echo $saved) " in
    *" $name "*) check "$name, which was saved, went on" went_on $name ;;
    *) check "$name, which was shut down, has booted" within 60 booted_anew $name ;;
  esac
done
check "the images are gone" [ -z "$(ls -A $folder)" ]
umount $folder

# Everything of the host ends at once while the second guest is saved; after it comes up again, none of the guests that
# were there is.
power_failure() {
  systemctl stop xendomains.service &
  job=$!
  : >$work/job.log
  before_it_ends [ -e $folder/.g2.unfinished ] || return 1
  systemctl kill --signal KILL --kill-who all xendomains.service
  wait $job
  ls -A $folder
  for name in $names; do xl destroy $name 2>/dev/null; done
  true
}
for name in $names; do check "$name counts" counts $name; done
note_ticks
check "the power fails while the second guest is saved" power_failure
check "no guest is left" within 10 only
check "what is under its own name is whole" all is_saved $(ls $folder)
whole=$(ls $folder)
note "on the disk: $(ls -A $folder | tr '\n' ' ')"
check "the host comes up" xendomains start
check "all four are there" only $names
for name in $whole; do check "$name, which was saved, went on" went_on $name; done
for name in $names; do check "$name counts" counts $name; done
check "the host goes down again, over what was left" xendomains stop
check "each is in an image, and nothing else is left" folder_has $names
check "the images are whole" all is_saved $names
end_of_checks
