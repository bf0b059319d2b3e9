// The ferry command: messages, exit codes, JSON, and what it is linked with.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "audit/rules.h"
#include "proto/xl_wrapper.h"
#include "tests/audit/image_builder.h"
#include "tests/audit/run_program.h"

namespace ferry::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class Cli : public testing::Test {
 protected:
  Cli() : folder_(fs::temp_directory_path() / ("ferry-cli-" + std::to_string(::getpid()))) {
    fs::create_directories(folder_);
  }
  ~Cli() override { fs::remove_all(folder_); }

  std::string file(const std::string& name, std::span<const std::byte> bytes) {
    const fs::path path = folder_ / name;
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
    return path;
  }
  std::string file(const std::string& name, const std::string& text) {
    return file(name, std::as_bytes(std::span(text)));
  }
  std::string image() { return file("a.ferry", build(TestGuest())); }
  std::string bad_image() {
    TestGuest guest;
    guest.page(TestGuest::kUserL2).words[9] = table_entry(TestGuest::kData);
    return file("bad.ferry", build(guest));
  }
  static Bytes in_xl_file(const Bytes& inside, const std::string& config) {
    Bytes bytes =
        encode_xl_header({.mandatory_flags = kXlFlagJson | kXlFlagStreamV2, .config = config});
    bytes.insert(bytes.end(), inside.begin(), inside.end());
    const Bytes end = encode_libxl_end();
    bytes.insert(bytes.end(), end.begin(), end.end());
    return bytes;
  }
  // As virsh save writes it.
  static Bytes in_libvirt_file(const Bytes& inside) {
    const std::string xml = "<domain type='xen'><name>web1</name></domain>";
    const Bytes xl = in_xl_file(inside, {});
    Bytes bytes(64 + xml.size());
    const std::string_view magic("libvirt-xml\n \0 \r", 16);
    std::memcpy(bytes.data(), magic.data(), magic.size());
    bytes[16] = std::byte{2};
    bytes[20] = static_cast<std::byte>(xml.size());
    std::memcpy(&bytes[64], xml.data(), xml.size());
    constexpr ptrdiff_t kXlHeader = 32 + 4 * 4 + 4 + 1;  // with an empty configuration
    bytes.insert(bytes.end(), xl.begin() + kXlHeader, xl.end());
    return bytes;
  }
  static Outcome ferry(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), FERRY_PROGRAM);
    return run_program(arguments);
  }

  fs::path folder_;
};

// One sentence on standard error, nothing on standard output.
void expect_refusal(const Outcome& outcome, int exit_code, const std::string& sentence) {
  EXPECT_EQ(outcome.exit_code, exit_code);
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err, StartsWith("ferry: "));
  EXPECT_THAT(outcome.err, ContainsRegex(sentence));
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1);
}

TEST_F(Cli, links_no_library_of_xen) {
  const Outcome outcome = run_program({"/usr/bin/readelf", "-d", FERRY_PROGRAM});
  ASSERT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.out, HasSubstr("Shared library: [libc.so.6]"));
  EXPECT_THAT(outcome.out, Not(HasSubstr("libxen")));
  EXPECT_THAT(outcome.out, Not(HasSubstr("libxl")));
}

TEST_F(Cli, audit_of_a_whole_image_is_clean) {
  const Outcome outcome = ferry({"audit", image()});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.err, "");
  EXPECT_THAT(outcome.out, HasSubstr("a.ferry: clean; "));
  EXPECT_THAT(outcome.out, HasSubstr("judged: full"));
}

TEST_F(Cli, audit_prints_each_finding_and_exits_with_3) {
  const Outcome outcome = ferry({"audit", bad_image()});
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_THAT(
      outcome.out,
      ContainsRegex("error   pt.target-type: L2 entry 9 of pfn 0x6 names pfn 0x14, which is "
                    "a data page instead of an L1 table."));
  EXPECT_THAT(outcome.out, HasSubstr("bad.ferry: bad, 1 error and 0 warnings"));
  EXPECT_EQ(ferry({"audit", "--level", "structure", bad_image()}).exit_code, 0);
}

TEST_F(Cli, audit_limits_what_it_prints) {
  TestGuest guest;
  for (unsigned i = 0; i < 50; ++i)
    guest.page(TestGuest::kUserL2).words[100 + i] = table_entry(TestGuest::kData);
  const Outcome outcome = ferry({"audit", "--limit", "3", file("many.ferry", build(guest))});
  EXPECT_EQ(std::count(outcome.out.begin(), outcome.out.end(), '\n'), 3 + 1 + 1 + 1);
  EXPECT_THAT(outcome.out, HasSubstr("restore Xen would refuse (EINVAL) to load the user page "));
  EXPECT_THAT(outcome.out, HasSubstr("error   pt.target-type: 47 more\n"));
}

TEST_F(Cli, audit_speaks_json) {
  const json clean = json::parse(ferry({"audit", "--json", image()}).out);
  EXPECT_EQ(clean["verdict"], "clean");
  EXPECT_TRUE(clean["findings"].empty());
  const Outcome outcome = ferry({"audit", "--json", bad_image()});
  EXPECT_EQ(outcome.exit_code, 3);
  const json bad = json::parse(outcome.out);
  EXPECT_EQ(bad["verdict"], "bad");
  EXPECT_EQ(bad["errors"], 1);
  EXPECT_EQ(bad["restore"]["accepted"], false);
  EXPECT_EQ(bad["restore"]["errno"], "EINVAL");
  EXPECT_EQ(clean["restore"]["accepted"], true);
  EXPECT_EQ(clean["restore"]["pins"], 3);
  EXPECT_EQ(bad["rules"][0]["id"], "pt.target-type");
  const json& finding = bad["findings"][0];
  EXPECT_EQ(finding["rule"], "pt.target-type");
  EXPECT_EQ(finding["severity"], "error");
  EXPECT_EQ(finding["pfn"], TestGuest::kUserL2);
  EXPECT_EQ(finding["pt_level"], 2);
  EXPECT_EQ(finding["entry"], 9);
}

TEST_F(Cli, audit_reports_a_refused_file_in_json_too) {
  Bytes image = build(TestGuest());
  image.resize(image.size() - 100);
  const Outcome outcome = ferry({"audit", "--json", file("cut.ferry", image)});
  EXPECT_EQ(outcome.exit_code, 3);
  const json report = json::parse(outcome.out);
  EXPECT_EQ(report["verdict"], "bad");
  EXPECT_EQ(report["findings"][0]["rule"], "format.framing");
  EXPECT_THAT(outcome.err, StartsWith("ferry: "));
}

TEST_F(Cli, audit_explains_its_rules) {
  const Outcome one = ferry({"audit", "--explain", "pt.writable-table"});
  EXPECT_EQ(one.exit_code, 0);
  EXPECT_THAT(one.out, StartsWith("pt.writable-table (error, level full)\n"));
  expect_refusal(ferry({"audit", "--explain", "pt.nothing"}), 2, "no rule pt.nothing");
  const json all = json::parse(ferry({"audit", "--rules", "--json"}).out);
  EXPECT_EQ(all.size(), audit::all_rules().size());
}

TEST_F(Cli, inspect_shows_what_is_in_an_image) {
  TestGuest guest;
  guest.config.emplace().set_name("web1");
  guest.config->set_uuid(std::string("\x12\x34\x56\x78\x9a\xbc\xde\xf0\1\2\3\4\5\6\7\x08", 16));
  const Outcome text = ferry({"inspect", file("a.ferry", build(guest))});
  EXPECT_EQ(text.exit_code, 0);
  EXPECT_THAT(text.out, AllOf(HasSubstr("guest    web1\n"),
                              HasSubstr("uuid     12345678-9abc-def0-0102-030405060708\n"),
                              HasSubstr("288.00 KiB in 72 pages, pfns 0 to 0x257"),
                              HasSubstr("p2m      linear, at 0xffffc90000000000, root pfn 0x0"),
                              HasSubstr("while suspended on Xen 4.17")));
  const json summary = json::parse(ferry({"inspect", "--json", file("a.ferry", build(guest))}).out);
  EXPECT_EQ(summary["guest"]["name"], "web1");
  EXPECT_EQ(summary["guest"]["nr_pfns"], 600);
  EXPECT_EQ(summary["guest"]["memory_bytes"], 72 * 4096);
  EXPECT_EQ(summary["vcpus"][0]["cr3_pfn"], TestGuest::kKernelL4);
  EXPECT_EQ(summary["vcpus"][1]["user_cr3_pfn"], TestGuest::kUserL4);
  EXPECT_EQ(summary["vcpus"][0]["gdt_entries"], 16);
  uint64_t bytes = 0, count = 0, pages = 0;
  for (const json& kind : summary["records"]) {
    bytes += kind["bytes"].get<uint64_t>();
    count += kind["count"].get<uint64_t>();
  }
  for (const json& kind : summary["pages"]) pages += kind["pages"].get<uint64_t>();
  EXPECT_EQ(bytes, summary["image"]["bytes"]);
  EXPECT_EQ(bytes, fs::file_size(folder_ / "a.ferry"));
  EXPECT_EQ(count, summary["image"]["records"]);
  EXPECT_EQ(pages, 600u);
}

TEST_F(Cli, both_take_an_xl_file_with_an_image_inside) {
  const std::string config = R"({"c_info": {"name": "from-xl"}, "b_info": {}})";
  const std::string path = file("a.save", in_xl_file(build(TestGuest()), config));
  const Outcome audit = ferry({"audit", path});
  EXPECT_EQ(audit.exit_code, 0) << audit.err;
  const json summary = json::parse(ferry({"inspect", "--json", path}).out);
  EXPECT_EQ(summary["guest"]["name"], "from-xl");
  EXPECT_EQ(summary["image"]["in_xl_file"], true);
  EXPECT_EQ(summary["image"]["offset_bytes"].get<uint64_t>() +
                summary["image"]["bytes"].get<uint64_t>() + 8,
            fs::file_size(path));
}

TEST_F(Cli, all_take_a_file_of_libvirts_with_an_image_inside) {
  const std::string path = file("a.save", in_libvirt_file(build(TestGuest())));
  const Outcome audit = ferry({"audit", path});
  EXPECT_EQ(audit.exit_code, 0) << audit.err << audit.out;
  EXPECT_THAT(ferry({"inspect", path}).out, HasSubstr("in libvirt's save file, from byte "));
  const json summary = json::parse(ferry({"inspect", "--json", path}).out);
  EXPECT_EQ(summary["image"]["of_libvirt"], true);
  TestGuest guest;  // Xen's format cannot say that the p2m's root is page 0
  for (const uint64_t pfn : {TestGuest::kUserL4, TestGuest::kKernelL4})
    guest.page(pfn).kind = v1::L4_PINNED;
  guest.head.set_p2m_root_pfn(TestGuest::kUserL4);
  guest.set_shared_info(3112, TestGuest::kUserL4 << 12);
  const std::string other = file("b.save", in_libvirt_file(build(guest)));
  EXPECT_EQ(ferry({"convert", "--to", "libxc", other, folder_ / "stream"}).exit_code, 0);
  expect_refusal(ferry({"convert", path, folder_ / "none"}), 2,
                 "no configuration, which a file of xl needs");
}

TEST_F(Cli, names_from_an_image_cannot_steer_the_terminal) {
  TestGuest guest;
  guest.config.emplace().set_name("evil\x1b[2Jname");
  const Outcome outcome = ferry({"inspect", file("a.ferry", build(guest))});
  EXPECT_THAT(outcome.out, HasSubstr("guest    evil\\x1b[2Jname\n"));
}

TEST_F(Cli, files_that_are_no_image_are_refused_in_a_sentence) {
  const std::string libxc("\xff\xff\xff\xff\xff\xff\xff\xffXENF\0\0\0\3\0\0\0\0\0\0\0\0", 24);
  const Bytes stock = in_xl_file(Bytes(reinterpret_cast<const std::byte*>(libxc.data()),
                                       reinterpret_cast<const std::byte*>(libxc.data() + 24)),
                                 "{}");
  Bytes version_2 = build(TestGuest());
  version_2[27] = std::byte{2};
  const Digest digest = digest_of(std::span(version_2).first(kMagicRecord - kDigestBytes));
  std::copy(digest.begin(), digest.end(), version_2.begin() + (kMagicRecord - kDigestBytes));
  for (const char* command : {"audit", "inspect"}) {
    expect_refusal(ferry({command, folder_ / "missing"}), 1, "missing: No such file");
    expect_refusal(ferry({command, folder_}), 3, "neither a regular file nor");
    expect_refusal(ferry({command, file("empty", "")}), 3, "/empty: .*no ferry image.*empty");
    expect_refusal(ferry({command, file("text", "hello, world\n")}), 3,
                   "/text: .*not a saved domain");
    expect_refusal(ferry({command, file("libxc", libxc)}), 3, "/libxc: .*libxc v3 stream");
    expect_refusal(ferry({command, file("stock.save", stock)}), 3, "/stock.save: .*stock xl");
    expect_refusal(ferry({command, file("v2", version_2)}), 3, "/v2: .*version 2");
  }
}

TEST_F(Cli, an_image_that_requires_something_unknown_is_not_called_bad) {
  TestGuest guest;
  guest.head.add_required_features("time travel");
  expect_refusal(ferry({"audit", file("a.ferry", build(guest))}), 1, "time travel");
}

TEST_F(Cli, wrong_usage_is_refused_with_2) {
  expect_refusal(ferry({}), 2, "which command");
  expect_refusal(ferry({"fly"}), 2, "no command fly");
  expect_refusal(ferry({"audit"}), 2, "needs a FILE");
  expect_refusal(ferry({"inspect"}), 2, "FILE is required .ferry inspect --help says more");
  expect_refusal(ferry({"--fast"}), 2, "no option --fast");
  expect_refusal(ferry({"audit", "--level", "deep", "x"}), 2, "deep");
  expect_refusal(ferry({"audit", "--threads", "0", "x"}), 2, "threads");
  expect_refusal(ferry({"inspect", "--fast", "x"}), 2, "fast");
}

TEST_F(Cli, help_has_an_example_for_each_subcommand) {
  EXPECT_THAT(ferry({"--help"}).out, AllOf(HasSubstr("Example: ferry"), HasSubstr("migrate")));
  for (const char* command : {"audit", "inspect"}) {
    const Outcome outcome = ferry({command, "--help"});
    EXPECT_EQ(outcome.exit_code, 0);
    EXPECT_THAT(outcome.out, HasSubstr(std::string("Example: ferry ") + command));
    EXPECT_EQ(ferry({"help", command}).out, outcome.out);
  }
  EXPECT_THAT(ferry({"--version"}).out, AllOf(StartsWith("ferry "), HasSubstr("\nimage format 1\n"),
                                              HasSubstr("\nhost commands built with Xen ")));
}

TEST_F(Cli, output_that_cannot_be_written_is_an_error) {
  for (const char* redirected : {" >/dev/full", " >&-"}) {
    const Outcome outcome = run_program(
        {"/bin/sh", "-c", std::string(FERRY_PROGRAM) + " inspect " + image() + redirected});
    EXPECT_EQ(outcome.exit_code, 1) << redirected;
    EXPECT_THAT(outcome.err, HasSubstr("ferry: cannot write to standard output")) << redirected;
  }
}

TEST_F(Cli, host_commands_are_handed_over_untouched) {
  fs::create_directories(folder_ / "bin");
  fs::copy_file(FERRY_PROGRAM, folder_ / "bin" / "ferry");
  fs::create_symlink(folder_ / "bin" / "ferry", folder_ / "elsewhere");
  const std::string linked = folder_ / "elsewhere";
  expect_refusal(run_program({linked, "save", "a", "b"}), 1, "save is not installed");

  fs::create_directories(folder_ / "libexec");
  file("libexec/ferry-host", std::string("#!/bin/sh\nprintf '<%s>' \"$@\"\nexit 4\n"));
  fs::permissions(folder_ / "libexec" / "ferry-host", fs::perms::owner_all);
  for (const char* command :
       {"save", "restore", "resume", "migrate", "receive", "check", "estimate", "job", "lend"}) {
    const Outcome outcome = run_program({linked, command, "--help", "a b", "", "--json"});
    EXPECT_EQ(outcome.exit_code, 4);
    EXPECT_EQ(outcome.out, std::string("<") + command + "><--help><a b><><--json>");
    EXPECT_EQ(outcome.err, "");
  }
  EXPECT_EQ(run_program({linked, "help", "job", "list"}).out, "<job><list><--help>");
}

TEST_F(Cli, sampled_damage_exits_with_3) {
  const Bytes image = build(TestGuest());
  for (size_t at = 3; at < image.size(); at += image.size() / 40) {
    Bytes damaged = image;
    damaged[at] ^= std::byte{0x10};
    EXPECT_EQ(ferry({"audit", file("damaged", damaged)}).exit_code, 3) << "byte " << at;
    damaged.resize(at);
    EXPECT_EQ(ferry({"audit", file("cut", damaged)}).exit_code, 3) << at << " bytes";
  }
}

std::string read_file(const std::string& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(Docs, describe_every_rule_as_the_program_does) {
  const std::string text = read_file(FERRY_SOURCE "/docs/audit.md");
  for (const audit::Rule* rule : audit::all_rules()) {
    const std::string section =
        "### `" + std::string(rule->id) + "` (" + audit::severity_name(rule->severity) + ", " +
        audit::level_name(rule->level) + ")\n\n" + std::string(rule->title) + "\n" +
        std::string(rule->explanation) + "\n";
    EXPECT_THAT(text, HasSubstr(section));
  }
}

}  // namespace
}  // namespace ferry::test
