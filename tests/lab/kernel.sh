# Our own PV kernel (kernel/) on real Xen: the guest half boots it, with a p2m of either form.
# tools/lab --with build/release/guests/ferry_kernel tests/lab/kernel.sh
. "$LAB_TESTS/lib.sh"

# start_kernel NAME VCPUS MIB WORDS [EXTRA_CONFIG_LINE…]: a guest with our kernel, and words for its command line.
start_kernel() {
  local name=$1 vcpus=$2 mib=$3 words=$4
  shift 4
  {
    printf 'name = "%s"\ntype = "pv"\nkernel = "/usr/local/bin/ferry_kernel"\n' "$name"
    printf 'memory = %s\nvcpus = %s\nextra = "%s"\non_crash = "preserve"\n' "$mib" "$vcpus" "$words"
    [ $# -eq 0 ] || printf '%s\n' "$@"
  } >$work/"$name".cfg
  xl create -q $work/"$name".cfg
}
says() { grep -qE "$2" "$(guest_log "$1")"; }

for form in list tree; do
  check "p2m as a $form: the kernel starts" start_kernel $form 1 64 "p2m=$form" "maxmem = 96"
  check "p2m as a $form: the guest half has taken over" within 30 says $form "p2m is a $form"
  check "p2m as a $form: nothing is wrong" is_sound $form
  xl destroy $form
done
end_of_checks
