# guest_rules.sh: our own PV kernel (kernel/) asks Xen about its rules for a guest that runs, and Xen answers as is written
# down in tests/conformance; the simulated machine is held against the same.
# tools/lab --with build/release/guests/ferry_kernel tests/lab/guest_rules.sh
. "$LAB_TESTS/lib.sh"
. "$LAB_TESTS/kernel_lib.sh"
expected=$(echo $LAB_TESTS/guest-$xen_release.*.expected)

check "the kernel starts" start_kernel rules 2 32 rules
check "it has asked, and ended" within 100 gone rules
log_since rules 0 | sed -n 's/^rule //p' >$work/lines
cp $work/lines $OUT/guest_rules
asked=$(log_since rules 0 | sed -n 's/^rules asked: //p')
note "$asked cases, $(wc -l <$work/lines) answers"
check "it got to the end of its questions" [ "$asked" = "$(wc -l <$work/lines)" ]
check "Xen answers each of $(wc -l <$expected) as written down" diff $expected $work/lines
check "no domain is left" within 20 only
end_of_checks
