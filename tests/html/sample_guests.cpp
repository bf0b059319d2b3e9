// Images whose pages are looked at.
#include "tests/html/sample_guests.h"

#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

namespace ferry::test {
namespace {

using G = TestGuest;

void add_config(TestGuest& guest, const std::string& name, const std::string& text) {
  const auto dump = [](const nlohmann::json& json) {
    return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::ignore);
  };
  guest.config.emplace().set_name(name);
  guest.config->set_uuid(std::string("\x12\x34\x56\x78\x9a\xbc\xde\xf0\1\2\3\4\5\6\7\x08", 16));
  guest.config->set_libxl_json(
      dump({{"c_info", {{"type", "pv"}, {"name", name}}},
            {"b_info", {{"max_memkb", 2400}, {"max_vcpus", 2}}},
            {"disks", {{{"vdev", "xvda"}, {"pdev_path", text}}, {{"vdev", text}}}},
            {"nics", {{{"mac", "00:16:3e:00:00:01"}, {"bridge", std::string(200, 'x') + text}}}}}));
}

}  // namespace

TestGuest hostile_guest() {
  TestGuest guest;
  add_config(guest, kHostileText, kHostileText);
  guest.head.set_converted_from(kHostileText);
  v1::Timeline& line = *guest.extra.emplace_back().mutable_timeline();
  line.set_host(kHostileText);
  line.set_started_unix_ms(~uint64_t{0});
  line.set_suspended_us(~uint64_t{0});
  for (uint64_t us : {uint64_t{5}, uint64_t{3}, ~uint64_t{0}}) line.add_round_us(us);
  for (uint64_t pages : {~uint64_t{0}, uint64_t{0}, uint64_t{1}}) line.add_round_pages(pages);
  const std::string banner = "Linux version 6 (</style><script>alert(2)</script>)\n";
  std::memcpy(guest.page(G::kData).words.data(), banner.data(), banner.size());
  for (unsigned i = 0; i < 40; ++i)
    guest.page(G::kUserL2).words[100 + i] = table_entry(G::kData + i % 30);
  guest.page(G::kUserL1).words[1] = table_entry(0x123456);
  guest.page(G::kKernelL4).words[300] = table_entry(G::kKernelL4, 0);  // linear: a warning
  return guest;
}

TestGuest live_guest(unsigned rounds) {
  TestGuest guest;
  add_config(guest, "web1", "/dev/vg/web1");
  guest.head.set_live(true);
  guest.head.set_start_info_pfn(0);
  for (uint64_t pfn = G::kData; pfn < G::kData + 25; ++pfn) guest.earlier[pfn] = guest.page(pfn);
  guest.earlier[G::kUserL1] = guest.page(G::kUserL1);
  guest.unmentioned = {G::kAbsent + 40, G::kAbsent + 41};
  const std::string banner = "Linux version 6.1.0 (builder@host) (gcc) #1 SMP\n";
  std::memcpy(guest.page(G::kData).words.data(), banner.data(), banner.size());
  v1::Timeline& line = *guest.extra.emplace_back().mutable_timeline();
  line.set_started_unix_ms(1'700'000'000'000);
  line.set_host("host1");
  uint64_t at = 0;
  for (unsigned i = 0; i < rounds; ++i) {
    at += 4'000'000 / (i * i + 1) + 1000;
    line.add_round_us(at);
    line.add_round_pages(60000 / (i * 7 + 1));
  }
  line.set_suspended_us(at - 1000);
  line.set_finished_us(at + 1000);
  return guest;
}

std::string write_image(const TestGuest& guest, const std::string& path) {
  const Bytes image = build(guest);
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(image.data()),
             static_cast<std::streamsize>(image.size()));
  return path;
}

}  // namespace ferry::test
