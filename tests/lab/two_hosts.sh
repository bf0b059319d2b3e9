# ferry migrate between two hosts on one Ethernet, over TLS: there and back, several connections, and what is refused.
name=mover
. "$LAB_TESTS/lib.sh"
. "$LAB_TESTS/failing.sh"
. "$LAB_TESTS/pause.sh"
. "$LAB_TESTS/two_hosts_lib.sh"
export FERRY_TLS_CA=$COMMON/ca.pem

receive() { # CERTIFICATE [OPTION…]: ferry receive in the background
  local certificate=$1
  shift
  FERRY_TLS_CERT=$COMMON/$certificate.pem FERRY_TLS_KEY=$work/$certificate.key ferry receive "$@" >$work/receive.log 2>&1 &
  echo $! >$work/receive.pid
  within 30 listens
}

second_host_serves

# As docs/migration.md says; the keys stay on the host that they are for.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 2 -subj '/CN=lab' \
  -keyout $work/ca.key -out $COMMON/ca.pem 2>/dev/null
certify() { # NAME SUBJECT: NAME's key is on this host, or on the second one if it begins with "there"
  local where=
  case $1 in there*) where=there ;; esac
  $where openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -subj /CN="$2" \
    -addext subjectAltName=DNS:"$2" -keyout $work/"$1".key -out $COMMON/"$1".csr >/dev/null 2>&1
  openssl x509 -req -in $COMMON/"$1".csr -CA $COMMON/ca.pem -CAkey $work/ca.key -days 2 -copy_extensions copy \
    -out $COMMON/"$1".pem 2>/dev/null
  $where chmod 600 $work/"$1".key
}
certify here host1.lab
certify there host2.lab
certify there-wrong host3.lab
export FERRY_TLS_CERT=$COMMON/here.pem FERRY_TLS_KEY=$work/here.key

check "the second host answers" there true
start_mover

check "a host where nobody listens is told" fails_with 1 'cannot reach host2.lab:8002: Connection refused' \
  ferry migrate $name host2.lab
check "the guest runs on" runs $name

check "a receiver with another host's certificate listens" there receive there-wrong
check "it is refused" fails_with 1 'the certificate of host2.lab is not accepted here: hostname mismatch' \
  ferry migrate $name host2.lab || theirs
check "the guest runs on after that" runs $name
check "that receiver ends" there stop_receiving
check "a receiver that does not take from us listens" there receive there --allow host7.lab
check "it refuses us" fails_with 1 'guests are taken from host7.lab only, not from host1.lab' ferry migrate $name host2.lab
check "the guest runs on after that too" runs $name
check "that receiver ends too" there stop_receiving
check "a receiver without room for its journal listens" there 'mkdir -p $work/full && mount -t tmpfs -o size=4k full $work/full &&
  ! cat /dev/zero >$work/full/zeros; FERRY_STATE_DIR=$work/full receive there'
check "it refuses, in its own words" fails_with 1 'No space left' ferry migrate $name host2.lab || theirs
check "the guest runs on after this" runs $name
check "the full receiver ends" there stop_receiving

check "a receiver listens" there receive there
check "ferry check: that host can take it" ferry check $name host2.lab
note "$(tail -n 1 $work/check.log)"

tick=$(tick_number $name)
check "there: ferry migrate" ferry migrate $name host2.lab
note "$(grep -h '^migrated' $work/check.log)"
check "there: nothing is left here" only
arrived_there there "$tick"
check "there: no job is open here" no_open_job
check "there: no job is open there" there no_open_job
tell_pause there "$tick"
check "ferry check: that host is not here any more" not ferry check $name host2.lab

check "here: a receiver listens" receive here
tick=$(there tick_number $name)
check "back: ferry migrate over 3 connections" there \
  "FERRY_TLS_CERT=$COMMON/there.pem FERRY_TLS_KEY=$work/there.key ferry migrate --streams 3 $name host1.lab"
note "$(grep -h '^migrated' $work/check.log)"
check "back: nothing is left there" there only
arrived_here back "$tick"
check "back: no job is open here" no_open_job
check "back: no job is open there" there no_open_job
tell_pause back "$tick"

# What breaks on the way: the guest stays here, and runs.
sending() { is_running '[^ ]*ferry-save-helper --save' && sleep 2; }
cut_wire() { ip link set eth0 down; }
mend_wire() { ip link set eth0 up; }
ferry migrate --bandwidth 1 $name host2.lab >$work/cut.log 2>&1 &
migrating=$!
check "a slow migration begins" within 30 sending
check "the wire is cut" cut_wire
check "the migration fails within a minute" within 60 has_ended $migrating
wait $migrating
check "with status 1" [ $? = 1 ]
note "it says: $(tail -n 1 $work/cut.log)"
check "the guest runs on here" runs $name
mend_wire
check "nothing of it is left there" there "within 60 only"
check "no job is open here then" no_open_job
check "no job is open there then" there "within 60 no_open_job"

ferry migrate --bandwidth 1 $name host2.lab >$work/killed.log 2>&1 &
migrating=$!
check "another slow migration begins" within 30 sending
there 'kill -9 $(processes "[^ ]*ferry-host receive")'
check "its receiver is killed: the migration ends" within 60 has_ended $migrating
check "it fails" not wait $migrating
note "it says: $(tail -n 1 $work/killed.log)"
check "the guest runs on here after that" runs $name
check "nothing of it is left there after that" there "within 60 only"

check "the receiver here ends" stop_receiving
check "no lock is held" within 20 no_lock_held
xl destroy $name
stop_watching
there stop_watching
end_there
end_of_checks
