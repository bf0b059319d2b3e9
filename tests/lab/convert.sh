# ferry convert: what stock xl saved is restored by ferry, what ferry saved is restored by stock xl; and the other
# image commands on images of a real Linux.
. "$LAB_TESTS/lib.sh"

inspects() { ferry inspect "$1" | grep -q "$2"; }
# Nothing but that the lab's kernels lie where a guest's usually do not.
no_finding() {
  ferry audit "$1" | tee $work/audit.log
  grep -q ': clean, .*judged: full' $work/audit.log && [ "$(grep -vc '^warning config.trust: b_info' $work/audit.log)" -eq 1 ]
}
# The kernel's text begins with the same bytes wherever it is mapped; its page is read-only data.
kernel_text() { ferry cat --vaddr 0xffffffff81000000 --length 4096 "$1" | wc -c | grep -qx 4096; }
walks() { ferry walk "$1" 0xffffffff81000000 | tail -n 1 | grep -q 'a data page'; }

check "a guest with 2 vCPUs starts" start_guest web 2 128
check "the guest counts" runs web
tick=$(tick_number web)
check "stock xl save" xl save web $work/web.save
note "xl's file: $(size_of $work/web.save) bytes"
check "ferry convert of xl's file" ferry convert $work/web.save $work/web.ferry
note "ferry's image: $(size_of $work/web.ferry) bytes"
check "the image is its owner's alone" [ "$(mode_of $work/web.ferry)" = 600 ]
check "ferry audit finds nothing in it" no_finding $work/web.ferry
check "ferry inspect names the guest" inspects $work/web.ferry '^guest    web$'
check "ferry inspect says where it comes from" inspects $work/web.ferry 'libxc stream of version 3.*in a file of xl'
check "ferry inspect --html writes a page" ferry inspect --html $OUT/web.html $work/web.ferry
check "ferry walk finds the kernel" walks $work/web.ferry
check "ferry cat prints it" kernel_text $work/web.ferry
check "ferry restore of what stock saved" ferry restore $work/web.ferry
check "the guest counts, its memory and page tables intact" runs web 5
check "the guest goes on where it was" continued web "$tick"

tick=$(tick_number web)
check "ferry save" ferry save web $work/own.ferry
check "ferry audit finds nothing in it" no_finding $work/own.ferry
check "ferry convert of ferry's image" ferry convert $work/own.ferry $work/own.save
check "stock xl restore of what ferry saved" xl restore $work/own.save
check "the guest counts, its memory and page tables intact" runs web 5
check "the guest goes on where it was" continued web "$tick"
check "the guest shuts down on request" xl shutdown -w web
check "no domain is left" within 20 only
ferry inspect $work/own.ferry >$OUT/inspect.txt
end_of_checks
