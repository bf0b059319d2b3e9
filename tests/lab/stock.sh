# The stock toolstack alone: the lab's guest survives xl save and xl restore, so what fails elsewhere is ours.
. "$LAB_TESTS/lib.sh"

check "a guest with 2 vCPUs starts" start_guest stock 2 128
check "the guest counts" runs stock
tick=$(tick_number stock)
check "xl save with the stock helper" xl save stock $work/stock.img
check "the saved guest is gone" gone stock
note "xl's own file: $(size_of $work/stock.img) bytes"
check "xl restore with the stock helper" xl restore $work/stock.img
check "the restored guest counts, its memory intact" runs stock 5
check "the restored guest goes on where it was" continued stock "$tick"
check "the guest answers a reboot request" xl reboot stock
check "the guest boots again" within 60 booted stock 2
check "the rebooted guest counts" runs stock
check "the guest answers a shutdown request" xl shutdown -w stock
check "no domain is left" within 20 only
note "last line: $(last_tick stock)"
cp "$(guest_log stock)" $OUT/
end_of_checks
