// What libxl reads of a configuration.
#include "config/libxl_keys.h"

#include <algorithm>
#include <cstdint>
#include <limits>

namespace ferry {
namespace {

constexpr int64_t kInt64Max = std::numeric_limits<int64_t>::max();

constexpr Key number(std::string_view name, int64_t lowest, int64_t highest, Rule rule = Rule::free,
                     std::string_view words = {}) {
  return {name, Form::number, rule, words, nullptr, lowest, highest};
}
constexpr Key integer(std::string_view name, Rule rule = Rule::free, std::string_view words = {}) {
  return number(name, INT32_MIN, INT32_MAX, rule, words);
}
constexpr Key u8(std::string_view name) {
  return number(name, 0, UINT8_MAX);
}
constexpr Key u32(std::string_view name, Rule rule = Rule::free, std::string_view words = {}) {
  return number(name, 0, UINT32_MAX, rule, words);
}
constexpr Key u64(std::string_view name, Rule rule = Rule::free, std::string_view words = {}) {
  return number(name, 0, kInt64Max, rule, words);
}
constexpr Key boolean(std::string_view name) {
  return {name, Form::boolean};
}
constexpr Key tristate(std::string_view name) {
  return {name, Form::tristate};
}
// What only "False" and "<default>" are harmless of.
constexpr Key not_true(std::string_view name) {
  return {name, Form::tristate, Rule::one_of, "False <default>"};
}
constexpr Key text(std::string_view name, Rule rule = Rule::free, std::string_view words = {}) {
  return {name, Form::text, rule, words};
}
// Nobody but the guest's kernel and its boot loader reads them.
constexpr Key lines(std::string_view name) {
  return {name, Form::lines};
}
constexpr Key word(std::string_view name) {
  return {name, Form::word};
}
constexpr Key word_of(std::string_view name, std::string_view words) {
  return {name, Form::word, Rule::one_of, words};
}
constexpr Key list(std::string_view name, Form form, Rule rule = Rule::free,
                   std::string_view words = {}) {
  return {name, form, rule, words};
}
constexpr Key object(std::string_view name, const KeyGroup& group, Rule rule = Rule::free,
                     std::string_view words = {}) {
  return {name, Form::object, rule, words, &group};
}
constexpr Key objects(std::string_view name, const KeyGroup& group, Rule rule = Rule::free,
                      std::string_view words = {}) {
  return {name, Form::objects, rule, words, &group};
}

constexpr std::string_view kProgram = "it names a program that dom0 would run";
constexpr std::string_view kArguments = "it is an argument of a program that dom0 would run";
constexpr std::string_view kFile = "it names a file of dom0";
constexpr std::string_view kOtherDomain = "it reaches another domain";
constexpr std::string_view kHardware = "it gives the guest hardware of the host";
constexpr std::string_view kLabel = "it is a security label";
constexpr std::string_view kServer = "it makes dom0 answer on the network";
constexpr std::string_view kDeviceModel = "it is a device that a program of dom0 plays";
constexpr std::string_view kXenstore = "it writes to xenstore";
constexpr std::string_view kColo = "it sends the guest's state elsewhere";

constexpr Key kBackendDomid = u32("backend_domid", Rule::refuse, kOtherDomain);
constexpr Key kBackendName = text("backend_domname", Rule::one_of, "0 Domain-0");
constexpr Key kDevid = integer("devid");

constexpr Key kNoKeys[] = {{"", Form::text, Rule::drop}};
constexpr KeyGroup kNothing{kNoKeys};

constexpr Key kCreateKeys[] = {{"type", Form::word, Rule::never, "pv"},
                               tristate("hap"),
                               tristate("oos"),
                               u32("ssidref", Rule::refuse, kLabel),
                               text("ssid_label", Rule::refuse, kLabel),
                               text("name"),
                               u32("domid", Rule::drop),
                               text("uuid"),
                               list("xsdata", Form::texts_map, Rule::refuse, kXenstore),
                               list("platformdata", Form::texts_map, Rule::refuse, kXenstore),
                               u32("poolid"),
                               text("pool_name", Rule::name),
                               tristate("run_hotplug_scripts"),
                               not_true("driver_domain"),
                               word_of("passthrough", "default disabled"),
                               tristate("xend_suspend_evtchn_compat")};
constexpr KeyGroup kCreateInfo{kCreateKeys};

constexpr Key kNodeKeys[] = {u64("memkb"), list("distances", Form::numbers), u32("pnode"),
                             list("vcpus", Form::numbers)};
constexpr KeyGroup kNode{kNodeKeys};

constexpr Key kSchedulerKeys[] = {word("sched"),     integer("weight"), integer("cap"),
                                  integer("period"), integer("budget"), integer("extratime"),
                                  integer("slice"),  integer("latency")};
constexpr KeyGroup kScheduler{kSchedulerKeys};

constexpr Key kPortKeys[] = {u32("first"), u32("number")};
constexpr KeyGroup kPorts{kPortKeys};

constexpr Key kIomemKeys[] = {u64("start"), u64("number"), u64("gfn")};
constexpr KeyGroup kIomem{kIomemKeys};

constexpr Key kPvKeys[] = {text("kernel", Rule::kernel),
                           u64("slack_memkb"),
                           text("bootloader", Rule::bootloader),
                           list("bootloader_args", Form::texts, Rule::bootloader_args),
                           lines("cmdline"),
                           text("ramdisk", Rule::kernel),
                           tristate("e820_host")};
constexpr KeyGroup kPv{kPvKeys};

constexpr Key kArmKeys[] = {word("gic_version"), word("vuart"), word("sve_vl"), u32("nr_spis")};
constexpr KeyGroup kArm{kArmKeys};
constexpr Key kX86Keys[] = {tristate("msr_relaxed")};
constexpr KeyGroup kX86{kX86Keys};

constexpr Key kBuildKeys[] = {
    integer("max_vcpus"),
    list("avail_vcpus", Form::numbers),
    list("cpumap", Form::numbers),
    list("nodemap", Form::numbers),
    list("vcpu_hard_affinity", Form::bitmaps),
    list("vcpu_soft_affinity", Form::bitmaps),
    tristate("numa_placement"),
    word("tsc_mode"),
    u64("max_memkb"),
    u64("target_memkb"),
    u64("video_memkb"),
    u64("shadow_memkb"),
    u64("iommu_memkb"),
    u32("rtc_timeoffset"),
    u32("exec_ssidref", Rule::refuse, kLabel),
    text("exec_ssid_label", Rule::refuse, kLabel),
    tristate("localtime"),
    tristate("disable_migrate"),
    list("cpuid", Form::cpuid),
    text("blkdev_start", Rule::name),
    objects("vnuma_nodes", kNode),
    u32("max_grant_frames"),
    u32("max_maptrack_frames"),
    integer("max_grant_version"),
    word_of("device_model_version", "unknown qemu_xen"),
    not_true("device_model_stubdomain"),
    u64("stubdomain_memkb"),
    text("stubdomain_kernel", Rule::refuse, kFile),
    text("stubdomain_cmdline", Rule::refuse, kArguments),
    text("stubdomain_ramdisk", Rule::refuse, kFile),
    text("device_model", Rule::refuse, kProgram),
    u32("device_model_ssidref", Rule::refuse, kLabel),
    text("device_model_ssid_label", Rule::refuse, kLabel),
    text("device_model_user", Rule::refuse, "it names the user that a program of dom0 runs as"),
    list("extra", Form::texts, Rule::refuse, kArguments),
    list("extra_pv", Form::texts, Rule::refuse, kArguments),
    list("extra_hvm", Form::texts, Rule::refuse, kArguments),
    object("sched_params", kScheduler),
    objects("ioports", kPorts, Rule::refuse, kHardware),
    list("irqs", Form::numbers, Rule::refuse, kHardware),
    objects("iomem", kIomem, Rule::refuse, kHardware),
    tristate("claim_mode"),
    u32("event_channels"),
    list("llc_colors", Form::numbers),
    text("kernel", Rule::kernel),
    lines("cmdline"),
    text("ramdisk", Rule::kernel),
    text("device_tree", Rule::refuse, kFile),
    tristate("acpi"),
    text("bootloader", Rule::bootloader),
    list("bootloader_args", Form::texts, Rule::bootloader_args),
    {"bootloader_restrict", Form::tristate, Rule::one_of, "True <default>"},
    text("bootloader_user", Rule::refuse, "it names the user that a program of dom0 runs as"),
    word("timer_mode"),
    tristate("nested_hvm"),
    tristate("apic"),
    tristate("dm_restrict"),
    word("tee"),
    object("type.pv", kPv),
    object("type.hvm", kNothing, Rule::never),
    object("type.pvh", kNothing, Rule::never),
    object("type.invalid", kNothing, Rule::never),
    object("arch_arm", kArm),
    object("arch_x86", kX86),
    word("altp2m"),
    integer("vmtrace_buf_kb"),
    tristate("vpmu")};
constexpr KeyGroup kBuildInfo{kBuildKeys};

constexpr Key kDiskKeyList[] = {kBackendDomid,
                                kBackendName,
                                text("pdev_path", Rule::disk),
                                text("vdev", Rule::name),
                                word_of("backend", "unknown phy tap qdisk"),
                                word("format"),
                                text("script", Rule::script),
                                integer("removable"),
                                integer("readwrite"),
                                integer("is_cdrom"),
                                boolean("direct_io_safe"),
                                tristate("discard_enable"),
                                word_of("specification", "unknown xen"),
                                word_of("transport", "unknown"),
                                u32("irq", Rule::drop),
                                u64("base", Rule::drop),
                                not_true("colo_enable"),
                                not_true("colo_restore_enable"),  // libxl writes it of every disk
                                {"colo*", Form::scalar, Rule::refuse, kColo},
                                text("active_disk", Rule::refuse, kFile),
                                text("hidden_disk", Rule::refuse, kFile),
                                tristate("trusted"),
                                tristate("grant_usage")};

constexpr Key kNicKeys[] = {kBackendDomid,
                            kBackendName,
                            kDevid,
                            integer("mtu"),
                            text("vlan", Rule::name),
                            text("model", Rule::name),
                            text("mac", Rule::name),
                            text("ip", Rule::address),
                            text("bridge", Rule::name),
                            text("ifname", Rule::name),
                            text("script", Rule::script),
                            word("nictype"),
                            u64("rate_bytes_per_interval"),
                            u32("rate_interval_usecs"),
                            text("gatewaydev", Rule::name),
                            tristate("trusted"),
                            {"colo*", Form::scalar, Rule::refuse, kColo}};
constexpr KeyGroup kNic{kNicKeys};

constexpr Key kVncKeys[] = {tristate("enable"),
                            text("listen", Rule::one_of, "127.0.0.1 ::1 localhost"), text("passwd"),
                            integer("display"), tristate("findunused")};
constexpr KeyGroup kVnc{kVncKeys};
constexpr Key kSdlKeys[] = {not_true("enable"), tristate("opengl"),
                            text("display", Rule::refuse, kServer),
                            text("xauthority", Rule::refuse, kFile)};
constexpr KeyGroup kSdl{kSdlKeys};
constexpr Key kVfbKeys[] = {kBackendDomid,       kBackendName,        kDevid,
                            object("vnc", kVnc), object("sdl", kSdl), text("keymap", Rule::name)};
constexpr KeyGroup kVfb{kVfbKeys};

constexpr Key kVkbKeys[] = {kBackendDomid,
                            kBackendName,
                            kDevid,
                            word_of("backend_type", "unknown qemu"),
                            text("unique_id", Rule::name),
                            boolean("feature_disable_keyboard"),
                            boolean("feature_disable_pointer"),
                            boolean("feature_abs_pointer"),
                            boolean("feature_raw_pointer"),
                            boolean("feature_multi_touch"),
                            u32("width"),
                            u32("height"),
                            u32("multi_touch_width"),
                            u32("multi_touch_height"),
                            u32("multi_touch_num_contacts")};
constexpr KeyGroup kVkb{kVkbKeys};

constexpr Key kPciKeys[] = {u8("func"),
                            u8("dev"),
                            u8("bus"),
                            integer("domain"),
                            u32("vdevfn"),
                            u32("vfunc_mask"),
                            boolean("msitranslate"),
                            boolean("power_mgmt"),
                            boolean("permissive"),
                            boolean("seize"),
                            word("rdm_policy"),
                            text("name")};
constexpr KeyGroup kPci{kPciKeys};
constexpr Key kRdmKeys[] = {u64("start"), u64("size"), word("policy")};
constexpr KeyGroup kRdm{kRdmKeys};
constexpr Key kDtdevKeys[] = {text("path")};
constexpr KeyGroup kDtdev{kDtdevKeys};
constexpr Key kVirtioKeys[] = {
    kBackendDomid,           kBackendName, text("type"), word("transport"),
    tristate("grant_usage"), kDevid,       u32("irq"),   u64("base")};
constexpr KeyGroup kVirtio{kVirtioKeys};
constexpr Key kVtpmKeys[] = {kBackendDomid, kBackendName, kDevid, text("uuid")};
constexpr KeyGroup kVtpm{kVtpmKeys};
constexpr Key kP9Keys[] = {kBackendDomid,
                           kBackendName,
                           text("tag"),
                           text("path"),
                           text("security_model"),
                           kDevid,
                           word("type"),
                           integer("max_space"),
                           integer("max_files"),
                           integer("max_open_files"),
                           boolean("auto_delete")};
constexpr KeyGroup kP9{kP9Keys};
constexpr Key kPvcallsKeys[] = {kBackendDomid, kBackendName, kDevid};
constexpr KeyGroup kPvcalls{kPvcallsKeys};
constexpr Key kConnectorKeys[] = {text("unique_id"), u32("width"), u32("height")};
constexpr KeyGroup kConnector{kConnectorKeys};
constexpr Key kDisplayKeys[] = {kBackendDomid, kBackendName, kDevid, boolean("be_alloc"),
                                objects("connectors", kConnector)};
constexpr KeyGroup kDisplay{kDisplayKeys};
constexpr Key kSoundParamKeys[] = {list("sample_rates", Form::numbers),
                                   list("sample_formats", Form::words), u32("channels_min"),
                                   u32("channels_max"), u32("buffer_size")};
constexpr KeyGroup kSoundParams{kSoundParamKeys};
constexpr Key kSoundStreamKeys[] = {text("unique_id"), word("type"),
                                    object("params", kSoundParams)};
constexpr KeyGroup kSoundStream{kSoundStreamKeys};
constexpr Key kPcmKeys[] = {text("name"), object("params", kSoundParams),
                            objects("streams", kSoundStream)};
constexpr KeyGroup kPcm{kPcmKeys};
constexpr Key kSoundKeys[] = {
    kBackendDomid,        kBackendName,      kDevid,
    text("short_name"),   text("long_name"), object("params", kSoundParams),
    objects("pcms", kPcm)};
constexpr KeyGroup kSound{kSoundKeys};
constexpr Key kSocketKeys[] = {text("path")};
constexpr KeyGroup kSocket{kSocketKeys};
constexpr Key kChannelKeys[] = {kBackendDomid,
                                kBackendName,
                                kDevid,
                                text("name"),
                                object("connection.unknown", kNothing),
                                object("connection.pty", kNothing),
                                object("connection.socket", kSocket)};
constexpr KeyGroup kChannel{kChannelKeys};
constexpr Key kUsbControllerKeys[] = {word("type"),     kDevid,        integer("version"),
                                      integer("ports"), kBackendDomid, kBackendName};
constexpr KeyGroup kUsbController{kUsbControllerKeys};
constexpr Key kUsbHostKeys[] = {u8("hostbus"), u8("hostaddr")};
constexpr KeyGroup kUsbHost{kUsbHostKeys};
constexpr Key kUsbKeys[] = {integer("ctrl"), integer("port"), object("type.hostdev", kUsbHost)};
constexpr KeyGroup kUsb{kUsbKeys};

constexpr Key kDomainKeys[] = {
    object("c_info", kCreateInfo),
    object("b_info", kBuildInfo),
    objects("disks", kDiskKeys),
    objects("nics", kNic),
    objects("pcidevs", kPci, Rule::refuse, kHardware),
    objects("rdms", kRdm, Rule::refuse, kHardware),
    objects("dtdevs", kDtdev, Rule::refuse, kHardware),
    objects("vfbs", kVfb),
    objects("vkbs", kVkb),
    objects("virtios", kVirtio, Rule::refuse, kDeviceModel),
    objects("vtpms", kVtpm, Rule::refuse, kOtherDomain),
    objects("p9s", kP9, Rule::refuse, "it gives the guest a folder of dom0"),
    objects("pvcallsifs", kPvcalls, Rule::refuse, "it gives the guest the network of dom0"),
    objects("vdispls", kDisplay, Rule::refuse, kDeviceModel),
    objects("vsnds", kSound, Rule::refuse, kDeviceModel),
    objects("channels", kChannel, Rule::refuse, "it is a way from the guest to a socket of dom0"),
    objects("usbctrls", kUsbController, Rule::refuse, kHardware),
    objects("usbdevs", kUsb, Rule::refuse, kHardware),
    word("on_poweroff"),
    word("on_reboot"),
    word("on_watchdog"),
    word("on_crash"),
    word("on_soft_reset")};

}  // namespace

constinit const KeyGroup kDiskKeys{kDiskKeyList};
constinit const KeyGroup kDomainConfigKeys{kDomainKeys};

const Key* find_key(const KeyGroup& group, std::string_view name) {
  const auto is = [&](const Key& key) {
    return key.name.ends_with('*') ? name.starts_with(key.name.substr(0, key.name.size() - 1))
                                   : key.name == name;
  };
  const auto found = std::find_if(group.keys.begin(), group.keys.end(), is);
  return found == group.keys.end() ? nullptr : &*found;
}

}  // namespace ferry
