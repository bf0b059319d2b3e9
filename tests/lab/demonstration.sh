# The demonstration of tools/lab demo, as a check.
. "$LAB_TESTS/lib.sh"

check "the demonstration ends well" sh $LAB_TESTS/demo.sh
end_of_checks
