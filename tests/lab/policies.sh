# What `ferry check GUEST HOST` says of a guest's CPU, against Xen itself: 200 made-up CPU policies are judged, and each
# is given to a domain. Needs ferry_policies_on_xen (tools/lab --with ferry_policies_on_xen).
. "$LAB_TESTS/lib.sh"

ferry_policies_on_xen 1 200 >$work/policies.log 2>&1
status=$?
sed 's/^/# /' $work/policies.log
check "ferry and Xen agree on every policy: whether it is taken, what stops it, and what the guest loses" [ $status -eq 0 ]
check "no domain is left" within 20 only
end_of_checks
