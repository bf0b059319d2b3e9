#!/usr/bin/python3
"""Breaks each rule of CONTRIBUTING.md once, in a copy of the sources, and wants the check that guards it to say so.

usage: broken_rules.py LAYERS FERRY FERRY_HOST     the list of layers, the program ferry, one that is linked to Xen
"""
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
LAYERS, FERRY, FERRY_HOST = (pathlib.Path(name).resolve() for name in sys.argv[1:4])


class Tree:
    """A copy of the sources in which one file at a time is changed."""

    def __init__(self, folder):
        self.top = pathlib.Path(folder) / "ferry"
        listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=TOP, capture_output=True, text=True)
        if listed.returncode == 0:
            for name in listed.stdout.splitlines():
                if (TOP / name).is_file():
                    (self.top / name).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(TOP / name, self.top / name)
        else:
            shutil.copytree(TOP, self.top, ignore=shutil.ignore_patterns("build", ".git"))
        (self.top / "build/release/bin").mkdir(parents=True)
        shutil.copy2(LAYERS, self.top / "build/release/layers")
        shutil.copy2(FERRY, self.top / "build/release/bin/ferry")

    def check(self, *command):
        done = subprocess.run([self.top / command[0], *command[1:]], capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr


class BrokenRules(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.tree = Tree(cls.folder.name)
        cls.passing = []  # commands that have passed over the unchanged tree

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def broken(self, command, name, change, complaint):
        """The command passes, and fails with the complaint while the file is changed."""
        path = self.tree.top / name
        before = path.read_bytes() if path.exists() else None
        if command not in self.passing:
            status, said = self.tree.check(*command)
            self.assertEqual(status, 0, said)
            self.passing.append(command)
        path.parent.mkdir(exist_ok=True)
        after = change(before)
        self.assertNotEqual(before, after)
        path.unlink() if after is None else path.write_bytes(after)
        try:
            status, said = self.tree.check(*command)
            self.assertEqual(status, 1, said)
            self.assertIn(complaint, said)
        finally:
            path.unlink(missing_ok=True) if before is None else path.write_bytes(before)

    def layers(self, name, change, complaint):
        self.broken(["tools/check_layers"], name, change, complaint)

    def source(self, rule, name, change, complaint):
        self.broken(["tools/check_source", rule], name, change, complaint)

    # Who sees whom.

    def test_an_include_that_is_not_allowed(self):
        self.layers("pipeline/pool.h", adding('#include "audit/audit.h"'), "pipeline/ does not see audit/audit.h")

    def test_an_include_of_another_folders_schema(self):
        self.layers("save/save.h", adding('#include "ferry/v1/migrate.pb.h"'),
                    "save/ does not see ferry/v1/migrate.pb.h")

    def test_an_include_of_a_test(self):
        self.layers("pipeline/pool.h", adding('#include "tests/engine/seeds.h"'), "is in no folder of the list")

    def test_a_file_in_a_folder_without_a_place(self):
        self.layers("nowhere/thing.h", lambda _: b"// A thing.\n", "nowhere/thing.h is in no folder of the list")

    def test_a_folder_that_is_seen_and_not_used(self):
        self.layers("build/release/layers", replacing("text: ", "text: p2m"), "sees p2m/, which nothing in text/ includes")

    def test_an_arrow_back_up_and_a_circle(self):
        self.layers("build/release/layers", replacing("error: text", "error: text audit"), "error/ sees audit/, which stands above")
        self.layers("pipeline/pool.h", adding('#include "audit/audit.h"'), "pipeline/ includes itself by way of others")

    def test_a_readme_that_says_too_little(self):
        self.layers("restore/README.md", replacing("`canonicalize/`, ", ""), "does not say that it sees canonicalize/")

    def test_a_readme_that_says_too_much(self):
        self.layers("files/README.md", replacing("Sees `io/`", "Sees `xen/`, `io/`"), "says that it sees xen/")

    def test_a_readme_that_says_nothing(self):
        self.layers("io/README.md", replacing("Sees", "Looks at"), 'no paragraph starts with "Sees"')
        self.layers("io/README.md", lambda _: None, 'no paragraph starts with "Sees"')

    def test_a_drawing_of_the_floors_that_is_not_what_is_built(self):
        page = "docs/architecture.md"
        self.layers(page, replacing("```floors", "```"), "has no drawing of the floors")
        self.layers(page, replacing("  evacuate/", ""), "does not draw evacuate/")
        self.layers(page, replacing("  evacuate/", "  evacuate/  engine/"), "draws engine/, which is in no list")
        self.layers(page, replacing("proto/  borrow/  image_reader/", "borrow/  image_reader/  proto/"),
                    "draws image_reader/ below proto/, which it sees")
        self.layers("build/release/layers", replacing("pfn_map: ", "pfn_map: p2m"), "draws pfn_map/ below p2m/")

    def test_save_and_restore_include_each_other(self):
        self.layers("save/save.h", adding('#include "restore/restore.h"'), "save/ must never see restore/restore.h")
        self.layers("restore/restore.h", adding('#include "save/save.h"'), "restore/ must never see save/save.h")
        self.layers("restore/restore.h", adding('#include "proto/record.h"'), "restore/ must never see proto/record.h")
        self.layers("intake/message.h", adding('#include "proto/record.h"'), "intake/ must never see proto/record.h")

    def test_rule_code_of_the_engine_in_the_audit_or_the_machine(self):
        self.layers("audit/rules.h", adding('#include "canonicalize/pte.h"'), "audit/ must never see canonicalize/pte.h")
        self.layers("audit/rules.h", adding('#include "p2m/published.h"'), "audit/ must never see p2m/published.h")
        self.layers("sim/machine/mmu.cpp", adding('#include "audit/layout.h"'), "sim/ must never see audit/layout.h")

    # The other rules.

    @unittest.skipUnless(" version 14." in subprocess.check_output(["clang-format", "--version"], text=True), "lines are broken by clang-format 14")
    def test_layout(self):
        self.source("formatted", "pipeline/pool.h", adding("int  a ;"), "pipeline/pool.h")

    def test_a_library_in_a_freestanding_folder(self):
        self.source("freestanding", "guest/pin.h", adding("#include <vector>"), "guest/pin.h")
        self.source("freestanding", "guest/core.h", adding("#include <xen/xen.h>"), "guest/core.h")
        self.source("freestanding", "kernel/cpu.h", adding("#include <vector>"), "kernel/cpu.h")

    def test_cli11_in_a_command_or_in_a_header(self):
        self.source("cli11", "tools/ferry/ps_command.cpp", adding("#include <CLI/CLI.hpp>"), "tools/ferry/ps_command.cpp")
        self.source("cli11", "command_line/command.h", adding("#include <CLI/App.hpp>"), "command_line/command.h")

    def test_xens_headers_elsewhere(self):
        self.source("xen_headers", "save/save.cpp", adding("#include <xenctrl.h>"), "save/save.cpp")
        self.source("xen_headers", "host/report.cpp", adding('#include "xen/xen_headers.h"'), "host/report.cpp")

    def test_an_assert(self):
        self.source("no_assert", "proto/record.cpp", adding("void f(int a) { assert(a); }"), "proto/record.cpp")

    def test_words_that_nobody_knows_to_be_lost(self):
        for call in ('fmt::print("done\\n");', 'std::puts("done");', 'std::cout << "done";', 'fputs("done", stdout);'):
            with self.subTest(call):
                self.source("standard_output", "tools/ferry-host/job_command.cpp", adding(call), "job_command.cpp")

    def test_a_file_that_others_can_read(self):
        for call in ("open(path, O_WRONLY | O_CREAT,\n     0644);", "open(path, O_CREAT | O_RDWR);", "mkdir(path, 0755);",
                     "std::ofstream out(path);", "chmod(path, 0600);", "umask(0);", 'fopen(path, "w");'):
            with self.subTest(call):
                self.source("private_files", "files/durable.cpp", adding(call), "files/durable.cpp")

    def test_a_file_that_does_not_say_what_it_is(self):
        self.source("first_lines", "io/byte_stream.h", lambda old: b"#pragma once\n" + old, "io/byte_stream.h")
        self.source("first_lines", "tools/build", replacing("# Installs", "\n# Installs"), "tools/build")

    def test_a_folder_without_a_readme(self):
        self.source("readmes", "restore/README.md", lambda _: None, "restore/")
        self.source("readmes", "save/README.md", replacing("`live/`", "what follows"), "save/live/")

    def test_a_regression_that_does_not_say_what_went_wrong(self):
        self.source("regressions", "tests/regressions/p2m/nothing_test.cpp", lambda _: b"// A regression.\n", "nothing_test.cpp")

    def test_scripts_with_errors(self):
        for name in ("tools/demo", "tools/lab.d/functions", "tests/lab/lib.sh", ".ci/run"):
            with self.subTest(name):
                self.source("scripts_parse", name, adding("if then"), name)
        self.source("scripts_parse", "tests/html/colours.py", adding("if:"), "colours.py")

    def test_a_walk_through_the_code_that_names_what_is_not_there(self):
        page = "docs/architecture.md"
        self.source("architecture", page, replacing("`save/guest_view.h`", "`save/guest_look.h`"), "save/guest_look.h is not there")
        self.source("architecture", page, replacing("`sim/seam/`", "`sim/needle/`"), "sim/needle/ is not there")
        self.source("architecture", page, replacing("`GuestView::frame_of`", "`GuestView::frame_at`"),
                    "GuestView::frame_at is not there")
        self.source("architecture", page, replacing("`ferry evacuate`", "`ferry vacate`"), "vacate is not there")
        self.source("architecture", page, replacing("`/run/ferry`", "`/run/ferryman`"), "/run/ferryman is not there")
        self.source("architecture", "save/live/scan.h", lambda _: None, "save/live/scan.h is not there")
        self.source("architecture", "p2m/frames.h",
                    lambda old: b"// Once this was pfn_t.\n" + old.replace(b"pfn_t", b"page_number"),
                    "pfn_t is not there")

    def test_a_library_of_xen_in_what_reads_images(self):
        self.source("no_xen", "build/release/bin/ferry", lambda _: FERRY_HOST.read_bytes(), "libxen")

    def test_each_rule_is_broken_here(self):
        _, listed = self.tree.check("tools/check_source", "--list")
        here = pathlib.Path(__file__).read_text()
        for line in listed.splitlines():
            self.assertIn(f'self.source("{line.split(":")[0]}"', here)


def adding(line):
    return lambda old: old + line.encode() + b"\n"


def replacing(old_text, new_text):
    return lambda old: old.replace(old_text.encode(), new_text.encode(), 1)


unittest.main(argv=sys.argv[:1])
