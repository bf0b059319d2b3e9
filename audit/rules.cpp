// Every rule an image is judged by: what must hold, and why.
#include "audit/rules.h"

namespace ferry::audit {

namespace rule {

constexpr auto kError = Severity::error;
constexpr auto kWarning = Severity::warning;

constinit const Rule framing{
    "format.framing", kError, Level::format,
    "Every record can be told from the next, each is in its place, and End closes the image.",
    "Lengths, sequence numbers, the order of records, the total size, the number of records and "
    "the digest over all digests must agree. If they do not, bytes were lost, added or changed, "
    "and nothing behind the "
    "named place can be trusted. Fetch the image again from where it was made."};
constinit const Rule index_unreadable{
    "format.index", kError, Level::digests, "The index and what it points at can be read.",
    "The records themselves are sound, but the index cannot be used: a part covers other pfns than "
    "it should, or an offset does not lead to a record. A restore from a file begins with the "
    "index."};
constinit const Rule unknown_record{
    "format.unknown-record", kWarning, Level::format,
    "Every record is of a kind this version knows.",
    "A newer ferry may add optional records, which a restore skips. The audit cannot judge what it "
    "does not know."};

constinit const Rule digest{
    "digest.mismatch", kError, Level::digests, "Each record's bytes give the digest it carries.",
    "At least one bit of the record changed after it was written: bad storage, bad memory or a bad "
    "copy. A restore refuses the record. Fetch the image again from where it was made."};
constinit const Rule body{
    "format.body", kError, Level::digests, "The body of each record decodes.",
    "The digest is right, so the record was written like this: by a defect of the program that "
    "wrote it or by somebody who computed the digest anew."};
constinit const Rule page_batch{
    "format.pages", kError, Level::digests,
    "Each batch of pages names pfns of the guest in ascending order and decompresses to exactly "
    "one page for each that has data.",
    "As with format.body, the digest is right, so this is how the batch was written. A restore "
    "refuses it."};

constinit const Rule record_missing{
    "record.missing", kError, Level::structure,
    "TSC, shared_info, p2m frames and the list of populated pfns are all there.",
    "A restore cannot make up any of them."};
constinit const Rule record_repeated{
    "record.repeated", kError, Level::structure, "What there can be one of comes once.",
    "Two Head, Config, Tsc, SharedInfo or CpuPolicy records may contradict each other, and a "
    "restore would have to choose."};
constinit const Rule record_order{
    "record.order", kError, Level::structure,
    "The CPU policy comes before the guest's memory, and its layout before its pages.",
    "A restore sets the CPU policy before it allocates memory, and allocates by the list of "
    "populated pfns. It refuses a policy that comes too late."};
constinit const Rule no_cpu_policy{
    "record.no-cpu-policy", kWarning, Level::structure, "The image says which CPU the guest saw.",
    "Without a CPU policy a restore falls back to the host's default, and the guest may find "
    "features missing that it uses."};

constinit const Rule config_trust{
    "config.trust", kWarning, Level::structure,
    "The configuration asks for ordinary disks, networks and kernels only, and libxl reads it as "
    "it "
    "looks.",
    "It makes dom0 run programs and open files and devices, as root. A host with the usual "
    "settings "
    "refuses what is named, unless it saved the image itself or somebody vouches for it."};

constinit const Rule index_kind{
    "index.kind", kError, Level::structure,
    "The index names the kind that the last record with a pfn gives it.",
    "A restore from a file trusts the index; one from a pipe sees the records. They must not give "
    "two different guests."};
constinit const Rule index_record{
    "index.record", kError, Level::structure, "The index points at the last record that has a pfn.",
    "Reading a single page would give an older version of it, or none."};
constinit const Rule index_totals{
    "index.totals", kError, Level::structure,
    "The index root counts pages, records and bytes as they are.",
    "Sizes and shares shown for the image would be wrong, and a restore that plans with them plans "
    "wrongly."};
constinit const Rule index_others{
    "index.others", kError, Level::structure,
    "The index root names each record that is neither pages nor index.",
    "A reader that goes through the index would miss the record, or look for one where there is "
    "none."};

constinit const Rule page_missing{
    "pages.missing", kError, Level::structure, "The image says something about every pfn.",
    "Absent is not the same as not mentioned: only a delta leaves pages out, and it needs the "
    "image it builds on."};
constinit const Rule populated_count{
    "pages.populated-count", kError, Level::structure,
    "As many pages have a frame as the head says.",
    "A restore checks the host's memory against the head. In an image saved live the guest may "
    "have ballooned meanwhile, so there only the list of populated pfns is counted."};
constinit const Rule populated_runs{
    "pages.populated-list", kError, Level::structure,
    "The list of populated pfns is the set of pages that have a frame.",
    "A restore allocates by this list before it sees the pages. In an image saved live only the "
    "list itself is checked."};
constinit const Rule stale_frame_lists{
    "pages.stale-frame-lists", kError, Level::structure,
    "The head's stale frame lists are pages of the guest with data.",
    "They are the pages whose contents still name frames of the source and are rebuilt by the "
    "guest. A pfn that holds no data cannot be one."};

constinit const Rule leaf_list{
    "p2m.leaf-list", kError, Level::structure, "There is exactly one p2m leaf for each 512 pfns.",
    "A restore writes the guest's p2m into these pages. A missing leaf leaves the guest with "
    "machine frames of the source."};
constinit const Rule leaf_kind{
    "p2m.leaf-kind", kError, Level::structure,
    "Each p2m leaf is a page of the image, stored in pfn form.",
    "A leaf that is stored as plain data carries machine frames of the source; one that is a page "
    "table cannot be written by the guest."};
constinit const Rule stray_leaf{
    "p2m.stray-leaf", kError, Level::structure, "Each page stored in pfn form is a p2m leaf.",
    "A restore would change its contents although the guest uses the page for something else."};
constinit const Rule p2m_entry{
    "p2m.entry", kError, Level::structure,
    "Entry j of leaf i is pfn 512 * i + j, invalid, identity or foreign.",
    "Any other pfn means that two places of the p2m stand for one page: the guest would see the "
    "same memory twice and the other page never."};
constinit const Rule p2m_absent{
    "p2m.absent", kError, Level::structure, "The p2m names only pages that have a frame.",
    "The guest believes that it owns a page which the image says it does not: it would write to a "
    "frame that nobody allocated."};
constinit const Rule p2m_foreign{
    "p2m.foreign", kError, Level::structure, "A foreign entry of the p2m names no frame.",
    "A frame of another domain on the source is left in the image. It means nothing on another "
    "host."};
constinit const Rule p2m_unlisted{
    "p2m.unlisted", kError, Level::structure, "The p2m names every page that has a frame.",
    "The guest would own a frame that it cannot reach, and lose what is in it."};
constinit const Rule p2m_root{
    "p2m.root", kError, Level::structure,
    "The root of the p2m is an L4 table (linear form) or a frame list with data (tree).",
    "The guest's p2m is found through it. A root of another kind means the wrong page was named."};
constinit const Rule p2m_view{
    "p2m.view", kError, Level::full,
    "The linear p2m, walked in the guest's own page tables, reaches exactly the leaves.",
    "If the page tables lead to other pages than the ones that a restore rewrites, the guest reads "
    "stale machine frames."};

constinit const Rule vcpu_missing{"vcpu.missing", kError, Level::structure,
                                  "vCPU 0 has a record, and each vCPU that was online, unless the "
                                  "guest ran when the head was written.",
                                  "A restore would leave the vCPU down, with what ran on it lost; "
                                  "without vCPU 0 there is nothing "
                                  "to resume."};
constinit const Rule vcpu_unexpected{
    "vcpu.unexpected", kError, Level::structure,
    "Each vCPU record belongs to one online vCPU, once; of a guest that ran when the head was "
    "written, to one that it has.",
    "The record is for a vCPU that the head calls offline or does not have, or is the second for "
    "the same vCPU."};
constinit const Rule context_size{
    "vcpu.context-size", kError, Level::structure, "A vCPU's basic state has 5168 bytes.",
    "That is the size of struct vcpu_guest_context of a 64-bit guest; another size is another "
    "structure. Nothing else of this vCPU is judged."};
constinit const Rule cr3{
    "vcpu.cr3", kError, Level::structure, "cr3 is an L4 table of the guest.",
    "Xen refuses to load a vCPU whose page-table base is not an L4 table (EINVAL). The value is "
    "pfn << 12; low bits must be zero."};
constinit const Rule user_cr3{
    "vcpu.user-cr3", kError, Level::structure,
    "The user page-table base is an L4 table of the guest or none.",
    "ctrlreg[1] is pfn << 12 | 1, or 0 for none. Xen refuses another kind of page (EINVAL)."};
constinit const Rule user_mode{
    "vcpu.user-mode", kError, Level::structure,
    "A vCPU that was in user mode has a user page-table base.",
    "Xen refuses a new vCPU that is not in kernel mode and has no user page tables (EINVAL)."};
constinit const Rule address{
    "vcpu.address", kError, Level::structure,
    "Instruction pointer, stacks, segment bases, callbacks and trap handlers are canonical.",
    "The CPU would fault on any other address, so Xen refuses the vCPU (EINVAL)."};
constinit const Rule vm_assist{
    "vcpu.vm-assist", kError, Level::structure, "vm_assist has only bits that Xen knows.",
    "Xen refuses a vCPU 0 that asks for an assistance it does not have (EINVAL)."};
constinit const Rule gdt_entries{
    "vcpu.gdt-entries", kError, Level::structure, "The GDT has at most 7168 entries.",
    "The slots above are Xen's own. Xen refuses a larger table (EINVAL)."};
constinit const Rule gdt_frame{
    "vcpu.gdt-frame", kError, Level::structure,
    "Each frame of the GDT is a data page of the guest.",
    "Xen must take the page as a descriptor table, which excludes page tables, absent pages and "
    "pages that a restore rewrites."};
constinit const Rule gdt_unused{
    "vcpu.gdt-unused", kWarning, Level::structure, "Frames that the GDT does not use are 0.",
    "A frame number beyond the GDT's entries can only be a machine frame of the source. A restore "
    "ignores it."};
constinit const Rule gdt_descriptor{
    "vcpu.gdt-descriptor", kError, Level::full,
    "Each descriptor in a frame of a GDT is absent, code, data or a call gate of the guest's.",
    "Xen looks at all 512 descriptors of each frame and refuses the GDT (EINVAL) if one is a "
    "system segment, or a gate into Xen's own segments."};
constinit const Rule ldt{"vcpu.ldt", kError, Level::structure,
                         "The LDT begins on a page of the guest's half and has at most 8192 "
                         "entries.",
                         "Xen refuses the vCPU otherwise (EINVAL)."};
constinit const Rule ldt_pages{
    "vcpu.ldt-pages", kWarning, Level::full,
    "Each page of the LDT is mapped read-only, and its descriptors are the guest's own.",
    "A restore does not look at it: Xen does when the guest first uses a selector of the LDT, and "
    "then faults the guest instead."};
constinit const Rule extended{
    "vcpu.extended", kError, Level::structure,
    "Extended state names its own vCPU and its own size.",
    "Xen takes the structure by the size it names (32 to 128 bytes) and applies it to the vCPU it "
    "names."};
constinit const Rule machine_checks{
    "vcpu.machine-checks", kError, Level::structure,
    "The machine-check capabilities are among those that Xen offers.",
    "Xen refuses extended state with others (EINVAL). Those of an Intel host are refused by one of "
    "AMD too, which this rule cannot see."};
constinit const Rule xsave{
    "vcpu.xsave", kError, Level::structure, "The XSAVE area is as large as its features need.",
    "Xen wants the exact size that xcr0_accum calls for (EINVAL). Offsets of features beyond AVX "
    "come from leaf 0xd of the CPU policy."};
constinit const Rule xsave_features{
    "vcpu.xsave-features", kError, Level::structure,
    "The XSAVE masks are ones that the guest's CPU can have, and the area's header agrees.",
    "Active features must be among those ever used, those among the CPU policy's, and the header "
    "must name no others and not be compacted. Xen refuses the rest (EINVAL, EOPNOTSUPP)."};
constinit const Rule vcpu_msrs{
    "vcpu.msrs", kError, Level::structure, "MSRs come as up to 7 whole entries of 16 bytes.",
    "Otherwise the last entry is cut off, or there are more than Xen saves."};
constinit const Rule msr_value{
    "vcpu.msr-value", kError, Level::structure,
    "Each MSR is one that Xen saves, with a value that the guest's CPU can have.",
    "Xen refuses an unknown MSR, and bits that the CPU policy does not offer."};
constinit const Rule cpu_policy_size{
    "cpu-policy.size", kError, Level::structure,
    "The CPU policy is made of whole CPUID leaves (24 bytes) and MSRs (16 bytes).",
    "Otherwise the last entry is cut off; no leaf at all is no policy."};
constinit const Rule cpu_policy_leaf{
    "cpu-policy.leaf", kError, Level::structure,
    "Xen 4.17 has a place for each CPUID leaf, and those that announce others are right.",
    "Xen refuses a leaf or subleaf out of its ranges (ERANGE), and more leaves than its host has "
    "(EINVAL)."};
constinit const Rule cpu_policy_msr{
    "cpu-policy.msr", kError, Level::structure,
    "The policy's MSRs are PLATFORM_INFO and ARCH_CAPABILITIES, without flags.",
    "Xen refuses others (ERANGE), flags, and bits of PLATFORM_INFO other than CPUID faulting "
    "(EINVAL)."};
constinit const Rule tsc_mode{"tsc.mode", kError, Level::structure,
                              "The TSC's mode is 0 (default), 1 (emulated) or 2 (native).",
                              "Xen refuses another one (EINVAL)."};

constinit const Rule shared_info_size{
    "shared-info.size", kError, Level::structure, "shared_info has 4096 bytes.",
    "The whole page travels. Nothing else of shared_info is judged."};
constinit const Rule shared_info_p2m{
    "shared-info.p2m", kError, Level::structure,
    "p2m_cr3 and p2m_vaddr of shared_info are the head's.",
    "p2m_cr3 is the root's pfn << 12 in the linear form and 0 in the tree form. Anything else may "
    "be a machine frame of the source, and would mislead whoever saves the guest again before it "
    "has run."};
constinit const Rule shared_info_frame_lists{
    "shared-info.frame-lists", kError, Level::structure,
    "pfn_to_mfn_frame_list_list of shared_info is 0.",
    "It named a machine frame of the source. The guest writes it anew when it resumes."};
constinit const Rule shared_info_max_pfn{
    "shared-info.max-pfn", kError, Level::structure,
    "max_pfn of shared_info is not below the number of pfns.",
    "The image would hold pages beyond the end of the p2m that the guest published."};
constinit const Rule start_info_page{
    "start-info.page", kError, Level::structure, "vCPU 0's rdx names a data page: start_info.",
    "A PV guest suspends with the frame of start_info in rdx. A restore writes the new store and "
    "console frames into that page."};
constinit const Rule start_info_head{
    "start-info.head", kError, Level::structure,
    "The head names the same start_info page as vCPU 0, or none.",
    "One of them is wrong. An image saved live leaves it out of the head."};
constinit const Rule start_info_store{
    "start-info.store", kError, Level::structure,
    "start_info's store_mfn is a pfn of the guest with a frame.",
    "The guest turns it into a pfn before it suspends. A machine frame here leaves the guest "
    "without xenstore."};
constinit const Rule start_info_console{
    "start-info.console", kError, Level::structure,
    "start_info's console frame is a pfn of the guest with a frame.",
    "The guest turns it into a pfn before it suspends. A machine frame here leaves the guest "
    "without console."};

constinit const Rule start_info_shared_info{
    "start-info.shared-info", kWarning, Level::structure,
    "start_info's address of shared_info is 0.",
    "It was a machine address of the source. A restore writes the new one."};

constinit const Rule target_range{
    "pt.target-range", kError, Level::full,
    "Each present entry of a page table names a pfn of the guest.",
    "A number beyond the guest is most often a machine frame of the source that was not turned "
    "into a pfn."};
constinit const Rule target_absent{"pt.target-absent", kError, Level::full,
                                   "Each present entry names a page that has a frame.",
                                   "There would be no machine frame to put into the entry."};
constinit const Rule target_type{
    "pt.target-type", kError, Level::full,
    "L4 entries name L3 tables, L3 entries L2 tables, L2 entries L1 tables.",
    "Xen would take the page as a table of the lower level and refuse (EINVAL) because it is of "
    "another type, or because its contents are not page-table entries."};
constinit const Rule large_page{"pt.large-page", kError, Level::full,
                                "No entry of an L2, L3 or L4 table maps a large page.",
                                "Xen lets PV guests map 4 KiB pages only."};
constinit const Rule reserved_slot{
    "pt.reserved-slot", kError, Level::full, "Slots 256 to 271 of L4 tables are zero.",
    "They are Xen's own, and named machine frames of the source. Xen fills them anew."};
constinit const Rule entry_flags{"pt.flags", kError, Level::full,
                                 "Entries of L2, L3 and L4 tables have no cache or global bits.",
                                 "Xen refuses PWT, PCD and G above L1 (EINVAL)."};
constinit const Rule cache_flags{
    "pt.cache-flags", kError, Level::full, "Entries of L1 tables have no cache bits.",
    "Xen accepts PWT, PCD and PAT only for a domain that owns devices or I/O ranges (EINVAL "
    "otherwise), and a domain has none while it is restored."};
constinit const Rule linear_table{
    "pt.linear", kWarning, Level::full, "No table maps a table of its own level.",
    "Linear page tables are legal, and Xen accepts them unless it was built without them or runs "
    "with pv-linear-pt=0."};
constinit const Rule linear_writable{"pt.linear-writable", kError, Level::full,
                                     "Entries that make a table linear are read-only.",
                                     "Xen refuses them otherwise (EINVAL)."};
constinit const Rule linear_depth{"pt.linear-depth", kError, Level::full,
                                  "A table that others map linearly maps none linearly itself.",
                                  "Xen allows one level of it only (EINVAL)."};
constinit const Rule writable_table{
    "pt.writable-table", kError, Level::full, "No page table is mapped writable.",
    "A page is a page table or writable, never both: Xen refuses the mapping (EBUSY) or the table "
    "(EINVAL), whichever comes second."};
constinit const Rule writable_gdt{
    "pt.writable-gdt", kError, Level::full, "No frame of a GDT is mapped writable.",
    "Xen takes these pages as descriptor tables, which excludes writable mappings."};
constinit const Rule replaced_table{
    "pt.replaced", kError, Level::full,
    "Versions of a page table that are replaced later name pfns of the guest too.",
    "A restore puts each version into memory as it comes, and refuses one with a frame beyond the "
    "guest, a large page, or something in Xen's slots."};
constinit const Rule pin_refused{
    "pt.refused", kError, Level::full,
    "Linear page tables come into use in an order that Xen accepts.",
    "Xen takes a linear entry only if the table that it names is valid already. A restore loads "
    "vCPUs by number and then pins in order of pfn; here it would come to the entry too early."};

}  // namespace rule

}  // namespace ferry::audit
