// Configurations that somebody else could send to get more than a guest.
#include "tests/config/dangerous_configs.h"

namespace ferry::test {

using Json = nlohmann::ordered_json;

Json ordinary_config() {
  return Json::parse(R"({
    "c_info": {"type": "pv", "name": "web1", "uuid": "8d7e0000-0000-4000-8000-0000000000aa",
               "run_hotplug_scripts": "True", "passthrough": "disabled"},
    "b_info": {"max_vcpus": 2, "avail_vcpus": [0, 1], "numa_placement": "True",
               "max_memkb": 262144, "target_memkb": 262144, "video_memkb": 0, "shadow_memkb": 3072,
               "device_model_version": "qemu_xen", "sched_params": {"weight": 256, "cap": 0},
               "claim_mode": "False", "event_channels": 0, "kernel": "/boot/vmlinuz-guest",
               "ramdisk": "/srv/web1/initrd.img", "cmdline": "root=/dev/xvda console=hvc0",
               "type.pv": {"slack_memkb": 0}, "arch_arm": {}, "arch_x86": {},
               "max_grant_frames": 64, "tsc_mode": "default"},
    "disks": [{"pdev_path": "/srv/web1/disk.img", "vdev": "xvda", "backend": "qdisk",
               "format": "raw", "readwrite": 1, "discard_enable": "True",
               "colo_restore_enable": "False"}],
    "nics": [{"devid": 0, "mac": "00:16:3e:00:00:01", "bridge": "xenbr0", "script": "vif-bridge",
              "nictype": "vif"}],
    "on_reboot": "restart", "on_crash": "destroy"
  })");
}

std::string DangerousConfig::json() const {
  Json config = ordinary_config();
  config.merge_patch(Json::parse(patch));
  return config.dump();
}

const std::vector<DangerousConfig>& dangerous_configs() {
  static const std::vector<DangerousConfig> all = {
      {"b_info.kernel", R"({"b_info": {"kernel": "/etc/shadow"}})"},
      {"b_info.kernel", R"({"b_info": {"kernel": "/boot/../etc/shadow"}})"},
      {"b_info.kernel", R"({"b_info": {"kernel": "boot/vmlinuz"}})"},
      {"b_info.ramdisk", R"({"b_info": {"ramdisk": "/etc/ferry/tls/key.pem"}})"},
      {"b_info.type.pv.kernel", R"({"b_info": {"type.pv": {"kernel": "/etc/shadow"}}})"},
      {"b_info.type.pv.ramdisk", R"({"b_info": {"type.pv": {"ramdisk": "/root/secret"}}})"},
      {"b_info.type.pv.bootloader", R"({"b_info": {"type.pv": {"bootloader": "/tmp/x"}}})"},
      {"b_info.bootloader", R"({"b_info": {"bootloader": "/bin/sh"}})"},
      {"b_info.bootloader", R"({"b_info": {"bootloader": "../../bin/sh"}})"},
      {"b_info.bootloader", R"({"b_info": {"bootloader": "Pygrub"}})"},
      {"b_info.bootloader_args",
       R"({"b_info": {"bootloader": "pygrub", "bootloader_args": ["--output=/etc/passwd"]}})"},
      {"b_info.bootloader_args",
       R"({"b_info": {"bootloader": "pygrub", "bootloader_args": ["-q", "-c", "true"]}})"},
      {"b_info.bootloader_user", R"({"b_info": {"bootloader_user": "daemon"}})"},
      {"b_info.bootloader_restrict", R"({"b_info": {"bootloader_restrict": "False"}})"},
      {"b_info.device_model", R"({"b_info": {"device_model": "/tmp/qemu"}})"},
      {"b_info.device_model_version",
       R"({"b_info": {"device_model_version": "qemu_xen_traditional"}})"},
      {"b_info.device_model_stubdomain", R"({"b_info": {"device_model_stubdomain": "True"}})"},
      {"b_info.device_model_user", R"({"b_info": {"device_model_user": "root"}})"},
      {"b_info.stubdomain_kernel", R"({"b_info": {"stubdomain_kernel": "/tmp/k"}})"},
      {"b_info.stubdomain_cmdline", R"({"b_info": {"stubdomain_cmdline": "x"}})"},
      {"b_info.extra", R"({"b_info": {"extra": ["-drive", "file=/etc/shadow"]}})"},
      {"b_info.extra_pv", R"({"b_info": {"extra_pv": ["-chardev", "socket,path=/run/x"]}})"},
      {"b_info.extra_hvm", R"({"b_info": {"extra_hvm": ["-monitor", "stdio"]}})"},
      {"b_info.ioports", R"({"b_info": {"ioports": [{"first": 112, "number": 2}]}})"},
      {"b_info.irqs", R"({"b_info": {"irqs": [9]}})"},
      {"b_info.iomem", R"({"b_info": {"iomem": [{"start": 0, "number": 256, "gfn": 0}]}})"},
      {"b_info.device_tree", R"({"b_info": {"device_tree": "/tmp/tree"}})"},
      {"b_info.exec_ssid_label", R"({"b_info": {"exec_ssid_label": "system_u:system_r:dom0_t"}})"},
      {"c_info.ssid_label", R"({"c_info": {"ssid_label": "system_u:system_r:dom0_t"}})"},
      {"c_info.ssidref", R"({"c_info": {"ssidref": 5}})"},
      {"c_info.xsdata", R"({"c_info": {"xsdata": {"../0/name": "x"}}})"},
      {"c_info.platformdata", R"({"c_info": {"platformdata": {"a": "b"}}})"},
      {"c_info.pool_name", R"({"c_info": {"pool_name": "../x"}})"},
      {"c_info.driver_domain", R"({"c_info": {"driver_domain": "True"}})"},
      {"c_info.passthrough", R"({"c_info": {"passthrough": "enabled"}})"},
      {"disks[0].pdev_path", R"({"disks": [{"pdev_path": "/etc/shadow", "vdev": "xvda"}]})"},
      {"disks[0].pdev_path", R"({"disks": [{"pdev_path": "/srv/../etc/shadow"}]})"},
      {"disks[0].pdev_path",
       R"({"disks": [{"pdev_path": "aio:/etc/shadow", "script": "block-tap"}]})"},
      {"disks[0].pdev_path",
       R"({"disks": [{"pdev_path": "/srv/web1/disk.vhd", "format": "vhd", "backend": "tap"}]})"},
      {"disks[0].script", R"({"disks": [{"pdev_path": "/srv/a", "script": "/tmp/block"}]})"},
      {"disks[0].script", R"({"disks": [{"pdev_path": "/srv/a", "script": "../../../bin/sh"}]})"},
      {"disks[0].backend_domid", R"({"disks": [{"pdev_path": "/srv/a", "backend_domid": 3}]})"},
      {"disks[0].backend_domname", R"({"disks": [{"backend_domname": "storage"}]})"},
      {"disks[0].backend", R"({"disks": [{"pdev_path": "/srv/a", "backend": "standalone"}]})"},
      {"disks[0].specification",
       R"({"disks": [{"pdev_path": "/srv/a", "specification": "virtio"}]})"},
      {"disks[0].hidden_disk", R"({"disks": [{"hidden_disk": "/etc/shadow"}]})"},
      {"disks[0].colo_host", R"({"disks": [{"colo_host": "192.0.2.1"}]})"},
      {"nics[0].script", R"({"nics": [{"script": "/tmp/vif"}]})"},
      {"nics[0].script", R"({"nics": [{"script": "sub/../../x"}]})"},
      {"nics[0].bridge", R"({"nics": [{"bridge": "x;reboot"}]})"},
      {"nics[0].ifname", R"({"nics": [{"ifname": "../eth0"}]})"},
      {"nics[0].ip", R"({"nics": [{"ip": "`reboot`"}]})"},
      {"nics[0].backend_domid", R"({"nics": [{"backend_domid": 1}]})"},
      {"nics[0].coloft_forwarddev", R"({"nics": [{"coloft_forwarddev": "eth1"}]})"},
      {"pcidevs", R"({"pcidevs": [{"bus": 1, "dev": 0, "func": 0}]})"},
      {"rdms", R"({"rdms": [{"start": 0, "size": 4096}]})"},
      {"dtdevs", R"({"dtdevs": [{"path": "/soc"}]})"},
      {"vfbs[0].vnc.listen", R"({"vfbs": [{"vnc": {"enable": "True", "listen": "0.0.0.0"}}]})"},
      {"vfbs[0].sdl.enable", R"({"vfbs": [{"sdl": {"enable": "True"}}]})"},
      {"vfbs[0].sdl.xauthority", R"({"vfbs": [{"sdl": {"xauthority": "/root/.Xauthority"}}]})"},
      {"vfbs[0].keymap", R"({"vfbs": [{"keymap": "../../../etc/shadow"}]})"},
      {"vkbs[0].backend_type", R"({"vkbs": [{"backend_type": "linux"}]})"},
      {"virtios", R"({"virtios": [{"type": "virtio,device22"}]})"},
      {"vtpms", R"({"vtpms": [{"backend_domname": "vtpmmgr"}]})"},
      {"p9s", R"({"p9s": [{"tag": "r", "path": "/", "security_model": "none"}]})"},
      {"pvcallsifs", R"({"pvcallsifs": [{"devid": 0}]})"},
      {"vdispls", R"({"vdispls": [{"devid": 0, "be_alloc": true}]})"},
      {"vsnds", R"({"vsnds": [{"devid": 0, "short_name": "s"}]})"},
      {"channels",
       R"({"channels": [{"name": "c", "connection.socket": {"path": "/run/dbus/x"}}]})"},
      {"usbctrls", R"({"usbctrls": [{"type": "pv", "devid": 0, "version": 2, "ports": 4}]})"},
      {"usbdevs",
       R"({"usbdevs": [{"ctrl": 0, "port": 1, "type.hostdev": {"hostbus": 1, "hostaddr": 2}}]})"},
  };
  return all;
}

}  // namespace ferry::test
