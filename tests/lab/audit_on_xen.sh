# The audit against Xen itself: variants of an image of a real Linux, harmless ones and broken ones, are judged by the
# audit and restored. Needs ferry_audit_on_xen (tools/lab --with ferry_audit_on_xen).
. "$LAB_TESTS/lib.sh"
export WORKLOAD_MIB=8
image=$work/web.ferry
variant=$work/variant.ferry

# Whether this Xen refuses linear page tables (tools/lab --xen-options pv-linear-pt=0).
linear=
xl info xen_commandline | grep -q pv-linear-pt=0 && linear=--no-linear

audit_says() { ferry audit --json $variant | grep -E "\"$1\": $2"; }
taken() {
  ferry_audit_on_xen --write "$1" $variant $image || return 1
  audit_says verdict '"clean"' && audit_says accepted true || return 1
  ferry restore --paused --force --name variant $variant || return 1
  has_state variant '--p---'
  local status=$?
  xl destroy variant
  return $status
}
refused() { # NAME RULE: with the sentence of that rule, and no domain is left
  ferry_audit_on_xen --write "$1" $variant $image || return 1
  audit_says verdict '"bad"' && audit_says rule "\"$2\"" || return 1
  fails_with 3 'the image is bad' ferry restore --paused --force --name variant $variant && only
}

check "a guest with 2 vCPUs starts" start_guest web 2 96
check "the guest counts" runs web
check "its image is made" ferry save web $image
note "$(size_of $image) bytes; Xen's options: $(xl info xen_commandline)"

check "ferry restore takes what the audit calls clean" taken "L1: another page"
check "ferry restore refuses bad flags" refused "L3: PCD" pt.flags
check "ferry restore refuses a page table that is writable" refused "L1: the L3 above writable" pt.writable-table
check "ferry restore refuses a vCPU" refused "not canonical: event callback" vcpu.address

# Last: of a domain whose page tables were changed between two refusals Xen may keep a husk.
from=$(now_ms)
ferry_audit_on_xen $linear $image >$work/variants.log 2>&1
status=$?
sed 's/^/# /' $work/variants.log
note "$((($(now_ms) - from) / 1000)) s"
check "audit and Xen agree on every variant, down to the entry" [ $status -eq 0 ]
end_of_checks
