# Guests with our own kernel (kernel/), for scripts that source lib.sh too.

# start_kernel NAME VCPUS MIB WORDS [EXTRA_CONFIG_LINE…]: WORDS are for its command line. A guest of KERNEL_TYPE, or pv.
start_kernel() {
  local name=$1 vcpus=$2 mib=$3 words=$4
  shift 4
  {
    printf 'name = "%s"\ntype = "%s"\nkernel = "/usr/local/bin/ferry_kernel"\n' "$name" "${KERNEL_TYPE-pv}"
    printf 'memory = %s\nvcpus = %s\nextra = "%s"\non_crash = "preserve"\n' "$mib" "$vcpus" "$words"
    [ $# -eq 0 ] || printf '%s\n' "$@"
  } >$work/"$name".cfg
  xl create -q $work/"$name".cfg
}
says() { grep -qE "$2" "$(guest_log "$1")"; }
