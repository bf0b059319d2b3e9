# Xen itself is asked what the simulated machine answers (tests/conformance): each case says what is written down.
. "$LAB_TESTS/lib.sh"
expected=$(echo $LAB_TESTS/xen-$xen_release.*.expected)

check "the rule cases run" sh -c "ferry_conformance >$work/lines"
check "Xen answers each of $(wc -l <$expected) lines as written down" \
  diff $expected $work/lines
cp $work/lines $OUT/conformance
check "no domain is left" within 20 only
end_of_checks
