# run.sh NAME…: runs several lab tests in one boot, each in a shell of its own, and leaves no domain between them.
status=0
for name; do
  echo "# $name"
  sh "$LAB_TESTS/$name.sh" || status=1
  (. "$LAB_TESTS/lib.sh" && destroy_all)
  rm -rf /run/lab /var/log/xen/console/guest-*
done
exit $status
